<?php
// PHP's sessions in the stack's cache (role cache). They last as long as the node that has it does: the next one begins empty.
//
// A session is locked from session_start() to the end of the request, as PHP's own files are. Its lock is a word that names the
// connection of whoever holds it, so that it ends with that connection, as a database's lock does. Each step is a script, which
// the server runs as a whole: what it finds out about the lock is still so when it writes.
require_once __DIR__ . '/cache-server.php';
require_once __DIR__ . '/sessions.php';

class Hornero_Cache_Sessions extends Hornero_Sessions {
	const DATABASE = 1;      // of the server; what empties the object cache empties 0
	const LOCK_LIFE = 130;   // seconds, longer than PHP-FPM lets a request run
	const SHORT_PAUSE = 5;   // milliseconds between two attempts to lock, at first
	const LONG_PAUSE = 50;   // and at last

	// Takes the lock and gives the session, in a list; or else gives the word of whoever has the lock.
	const LOCK = "if not redis.call('SET', KEYS[2], ARGV[1], 'NX', 'EX', ARGV[2]) then return redis.call('GET', KEYS[2]) end
		return {redis.call('GET', KEYS[1])}";

	// Writes the locked session. One of nothing is not kept.
	const WRITE = "if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
		if ARGV[2] == '' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3]) end
		redis.call('DEL', KEYS[2])
		return 1";

	// Lets the locked session live on as it is.
	const KEEP = "if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
		redis.call('EXPIRE', KEYS[1], ARGV[2])
		return redis.call('DEL', KEYS[2])";

	const FREE = "if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
		return redis.call('DEL', KEYS[2])";

	private $scope;
	private $server = null;
	private $word = '';      // what this connection's locks are
	private $locked = false; // the session has our lock
	private $id = '';        // of the session that was read
	private $data = '';      // as it was read

	/**
	 * @param string $scope whose sessions they are: the stack's sites have one cache
	 * @param string $key   makes ids that nobody else can make up
	 */
	public function __construct($scope, $key) {
		parent::__construct($key);
		$this->scope = $scope;
	}

	/** Succeeds without a cache, too: a page is answered then with a session that is new, and not kept. */
	#[\ReturnTypeWillChange]
	public function open($path, $name) {
		$this->close();
		$this->connect();

		return true;
	}

	#[\ReturnTypeWillChange]
	public function close() {
		if ($this->locked) {
			$this->run(self::FREE, $this->id, [$this->word]);
		}

		$this->locked = false;
		$this->server = null;

		return true;
	}

	protected function load($id) {
		if (!$this->lock($id)) {
			$this->data = (string) $this->server->ask(['GET', $this->name($id)]);
		}

		return $this->data;
	}

	#[\ReturnTypeWillChange]
	public function write($id, $data) {
		if (!$this->locked) {
			$this->complain('was not written: ' . $this->obstacle());
			return false;
		}
		if ($this->save($id, $data)) {
			return true;
		}

		// The connection is gone, or the cache is on another node meanwhile, and so the lock is gone. It is taken anew.
		$before = $this->data;
		$this->connect();

		if (!$this->lock($id)) {
			$this->complain('was not written: ' . $this->obstacle());
			return false;
		}
		if ($this->data !== $before && $this->data !== $data) {
			$this->complain('was changed, or went with its cache, during a request that changed it; the later one counts');
		}

		return $this->save($id, $data);
	}

	/** Lets a session live on that a request only read. A request that cannot do so has lost nothing. */
	#[\ReturnTypeWillChange]
	public function updateTimestamp($id, $data) {
		if ($this->locked) {
			$this->run(self::KEEP, $id, [$this->word, $this->life()]);
			$this->locked = false;
		}

		return true;
	}

	/** Who does not have the lock waits for it once more: a session that a visitor ended must not stay. */
	#[\ReturnTypeWillChange]
	public function destroy($id) {
		if (!$this->locked) {
			$this->connect();
			$this->lock($id);
		}

		return $this->write($id, '');
	}

	/** The server itself deletes what is over. */
	#[\ReturnTypeWillChange]
	public function gc($life) {
		return 0;
	}

	/** Takes the session's lock and reads it. */
	private function lock($id) {
		$end = microtime(true) + self::LOCK_WAIT;
		$pause = self::SHORT_PAUSE;
		$this->id = $id;

		while (true) {
			$answer = $this->run(self::LOCK, $id, [$this->word, self::LOCK_LIFE]);
			$this->locked = is_array($answer);

			if ($this->locked) {
				$this->data = (string) $answer[0];
				return true;
			}
			if ($answer === null || microtime(true) > $end) {
				return false;
			}

			usleep($pause * 1000);
			$pause = min(2 * $pause, self::LONG_PAUSE);
			$this->freeOf($answer, $id);
		}
	}

	/** Frees a lock whose holder is gone. The server numbers its connections, and gives no number twice. */
	private function freeOf($holder, $id) {
		$connection = substr($holder, 0, strpos($holder, ':'));

		if ($this->server->ask(['CLIENT', 'LIST', 'ID', $connection]) === '') {
			$this->run(self::FREE, $id, [$holder]);
		}
	}

	/** Writes the locked session, and ends the lock. */
	private function save($id, $data) {
		$this->locked = false;
		return $this->run(self::WRITE, $id, [$this->word, $data, $this->life()]) === 1;
	}

	private function connect() {
		$this->server = new Hornero_Cache_Server('sessions', 'they begin anew', self::DATABASE);
		$this->word = $this->server->ask(['CLIENT', 'ID']) . ':' . bin2hex(random_bytes(8));
	}

	/** Runs a script for a session; null when there is no cache. */
	private function run($script, $id, array $arguments) {
		$name = $this->name($id);
		return $this->server->ask(array_merge(['EVAL', $script, '2', $name, "$name:lock"], $arguments));
	}

	private function name($id) {
		return 'session:' . $this->scope . ':' . $this->digest($id);
	}

	private function obstacle() {
		if (!$this->server->isThere()) {
			return 'the cache is away';
		}

		return 'another request of the visitor held it for more than ' . self::LOCK_WAIT . ' s';
	}
}
