<?php
// What PHP's sessions have in common, wherever the stack keeps them, so that a visitor has one session wherever he is answered.
// WordPress itself uses none; plugins do. 000-hornero-sessions.php sets the handler before any plugin starts a session.

/** Sessions whose ids nobody can make up. */
abstract class Hornero_Sessions implements SessionHandlerInterface, SessionIdInterface, SessionUpdateTimestampHandlerInterface {
	const LOCK_WAIT = 10; // seconds; after that a session is read without its lock, and not written

	private $key;
	private $drawn = ''; // an id that was made, and of which no session has been read yet

	/** @param string $key makes ids that nobody else can make up */
	public function __construct($key) {
		$this->key = $key;
	}

	/** Makes it PHP's handler, unless somebody started a session already. */
	public static function register(Hornero_Sessions $handler) {
		if (session_status() === PHP_SESSION_ACTIVE || headers_sent()) {
			return;
		}

		ini_set('session.use_strict_mode', '1');
		ini_set('session.use_only_cookies', '1');
		ini_set('session.cookie_httponly', '1');
		ini_set('session.gc_probability', '0'); // no visitor waits while others' sessions are deleted
		session_set_save_handler($handler, true);
	}

	/** Reads a session, once it is locked: '' for one that is new. */
	abstract protected function load($id);

	#[\ReturnTypeWillChange]
	public function read($id) {
		$this->drawn = '';
		return $this->load($id);
	}

	#[\ReturnTypeWillChange]
	public function create_sid() {
		$drawn = bin2hex(random_bytes(16));
		$this->drawn = $drawn . $this->signature($drawn);

		return $this->drawn;
	}

	/**
	 * Tells whether an id is one of ours. It need not have a session: an empty one is not kept, and must keep its id, or
	 * parallel requests of a new visitor would each begin a session of their own. PHP also asks for an id that it has just
	 * drawn, whether somebody has it already: nobody does.
	 */
	#[\ReturnTypeWillChange]
	public function validateId($id) {
		$ours = strlen($id) === 64 && hash_equals($this->signature(substr($id, 0, 32)), substr($id, 32));
		return $ours && $id !== $this->drawn;
	}

	/** What a session is called where it is kept: who reads that must not be able to take a session over. */
	protected function digest($id) {
		return hash('sha256', $id);
	}

	protected function life() {
		return max(60, (int) ini_get('session.gc_maxlifetime'));
	}

	protected function complain($what) {
		error_log('session ' . $what);
	}

	private function signature($text) {
		return substr(hash_hmac('sha256', $text, $this->key), 0, 32);
	}
}
