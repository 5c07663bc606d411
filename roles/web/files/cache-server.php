<?php
// The stack's cache (role cache), for whoever keeps something there. HAProxy on loopback finds the node that has the server.

/** A connection to Valkey or Redis by their protocol (RESP). It is null's answer to everything after its first failure. */
class Hornero_Cache_Server {
	const ADDRESS = 'tcp://127.0.0.1:6379';
	const PATIENCE = 1; // seconds, for the connection and for each answer

	private $stream = null;
	private $failed = false;
	private $use;
	private $instead;
	private $database;

	/**
	 * @param string $use      what the journal calls whoever asks
	 * @param string $instead  and what happens without a server
	 * @param int    $database of the server: what is emptied in one stays in the others
	 */
	public function __construct($use, $instead, $database = 0) {
		$this->use = $use;
		$this->instead = $instead;
		$this->database = $database;
	}

	/** Asks one question; null when there is no answer, or when the answer is that there is nothing. */
	public function ask(array $words) {
		$answers = $this->askAll([$words]);
		return $answers === null ? null : $answers[0];
	}

	/** Asks several questions at once; null when the server is not there. */
	public function askAll(array $questions) {
		if (!$this->connect()) {
			return null;
		}

		$text = '';
		foreach ($questions as $words) {
			$text .= self::encode($words);
		}

		try {
			return $this->exchange($text, count($questions));
		} catch (RuntimeException $error) {
			$this->fail($error->getMessage());
			return null;
		}
	}

	public function isThere() {
		return !$this->failed && $this->connect();
	}

	private function connect() {
		if ($this->stream !== null || $this->failed) {
			return !$this->failed;
		}

		$this->stream = @stream_socket_client(self::ADDRESS, $number, $why, self::PATIENCE);
		if ($this->stream === false) {
			$this->fail($why);
			return false;
		}
		stream_set_timeout($this->stream, self::PATIENCE);

		try {
			$hello = self::encode(['AUTH', HORNERO_CACHE_PASSWORD]);
			$this->exchange($hello . self::encode(['SELECT', (string) $this->database]), 2);
		} catch (RuntimeException $error) {
			$this->fail($error->getMessage());
		}

		return !$this->failed;
	}

	private function exchange($text, $answers) {
		for ($sent = 0; $sent < strlen($text); $sent += $wrote) {
			$wrote = @fwrite($this->stream, substr($text, $sent));
			if ($wrote === false || $wrote === 0) {
				throw new RuntimeException('the server takes nothing');
			}
		}

		$all = [];
		for (; $answers > 0; $answers--) {
			$all[] = $this->read();
		}

		return $all;
	}

	private function read() {
		$line = fgets($this->stream);
		if ($line === false || substr($line, -2) !== "\r\n") {
			throw new RuntimeException('the server does not answer');
		}

		$rest = substr($line, 1, -2);
		switch ($line[0]) {
			case '+':
				return $rest;
			case ':':
				return (int) $rest;
			case '$':
				return $rest === '-1' ? null : substr($this->bytes((int) $rest + 2), 0, -2);
			case '*':
				$items = [];
				for ($k = (int) $rest; $k > 0; $k--) {
					$items[] = $this->read();
				}
				return $items;
		}

		throw new RuntimeException($rest);
	}

	private function bytes($length) {
		$text = '';
		while (strlen($text) < $length) {
			$part = fread($this->stream, $length - strlen($text));
			if ($part === false || $part === '') {
				throw new RuntimeException('the server breaks off');
			}
			$text .= $part;
		}

		return $text;
	}

	private function fail($why) {
		$this->failed = true;

		// Every page would say so: once a minute on a node is enough.
		$said = sys_get_temp_dir() . '/hornero-' . strtr($this->use, ' ', '-') . '-' . PHP_SAPI;
		if (time() - (int) @filemtime($said) >= 60) {
			@touch($said);
			error_log("{$this->use}: $why; {$this->instead}");
		}
	}

	private static function encode(array $words) {
		$text = '*' . count($words) . "\r\n";
		foreach ($words as $word) {
			$text .= '$' . strlen($word) . "\r\n$word\r\n";
		}

		return $text;
	}
}
