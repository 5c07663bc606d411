<?php
// PHP's sessions in the stack's database.
//
// A row is locked from session_start() to the end of the request, as PHP's own files are: parallel requests of one visitor
// wait for each other, and none undoes what another wrote. GET_LOCK would not do: Galera has no such locks.
require_once __DIR__ . '/database.php';
require_once __DIR__ . '/sessions.php';

class Hornero_Database_Sessions extends Hornero_Sessions {
	const FRESHNESS = 60;   // seconds; unchanged data has its time written this often at most
	const ATTEMPTS = 4;     // of a statement that lost against another
	const GC_ROWS = 1000;   // in one statement: Galera replicates a transaction whole

	const NO_TABLE = 1146;  // MariaDB's ER_NO_SUCH_TABLE
	const LOCK_TIME_OUT = 1205; // ER_LOCK_WAIT_TIMEOUT

	private $table;
	private $database = null;
	private $locked = false; // a transaction has the row
	private $data = '';      // as it was read
	private $expires = 0;    // when the row that was read ends; 0 for none

	/** @param string $key makes ids that nobody else can make up */
	public function __construct($table, $key) {
		parent::__construct($key);
		$this->table = $table;
	}

	/** The sessions' table for a prefix of WordPress' tables. */
	public static function table($prefix) {
		return $prefix . 'hornero_sessions';
	}

	#[\ReturnTypeWillChange]
	public function open($path, $name) {
		return $this->connect();
	}

	#[\ReturnTypeWillChange]
	public function close() {
		if ($this->database !== null) {
			if ($this->locked) {
				$this->query('ROLLBACK');
			}
			$this->database->close();
		}

		$this->database = null;
		$this->locked = false;

		return true;
	}

	protected function load($id) {
		if (!$this->lock($id) && !$this->look($id)) {
			return false;
		}

		return $this->data;
	}

	#[\ReturnTypeWillChange]
	public function write($id, $data) {
		if (!$this->locked) {
			$this->complain('was not written: another request of the visitor held it for more than ' . self::LOCK_WAIT . ' s');
			return false;
		}
		if ($this->save($id, $data)) {
			return true;
		}

		// The database moved to another server meanwhile, and the lock is gone. It is taken anew there.
		$before = $this->data;
		$this->close();

		if (!$this->connect() || !$this->lock($id)) {
			$this->complain('was not written: the database is gone');
			return false;
		}
		if ($this->data !== $before && $this->data !== $data) {
			$this->complain('was changed by another request while the database moved; the later one counts');
		}

		return $this->save($id, $data);
	}

	#[\ReturnTypeWillChange]
	public function updateTimestamp($id, $data) {
		$fresh = $this->expires - time() > $this->life() - self::FRESHNESS;

		// Nothing to write, or nobody may: a request that only read loses nothing.
		if ($fresh || !$this->locked || $data === '' && $this->expires === 0) {
			return true;
		}

		return $this->write($id, $data);
	}

	#[\ReturnTypeWillChange]
	public function destroy($id) {
		$gone = $this->query("DELETE FROM {$this->table} WHERE id = " . $this->row($id)) && $this->query('COMMIT');
		$this->locked = false;

		return $gone;
	}

	/** Deletes what is over, a thousand rows at a time, and returns how many there were. */
	#[\ReturnTypeWillChange]
	public function gc($life) {
		$deleted = 0;

		if ($this->database === null && !$this->connect()) {
			return false;
		}

		do {
			$done = $this->query("DELETE FROM {$this->table} WHERE expires < " . time() . ' LIMIT ' . self::GC_ROWS);
			$rows = $done ? $this->database->affected_rows : 0;
			$deleted += max(0, $rows);
		} while ($rows === self::GC_ROWS);

		return $deleted;
	}

	/** Takes the row's lock, whether the row is there or not, and reads it. */
	private function lock($id) {
		$row = $this->row($id);

		for ($attempt = 0; $attempt < self::ATTEMPTS; $attempt++) {
			$this->query('START TRANSACTION');

			// A row that is not there cannot be locked, so it is made, and goes with the rollback when nothing is written.
			$this->locked = $this->query(
				"INSERT INTO {$this->table} (id, data, expires) VALUES ($row, '', 0) ON DUPLICATE KEY UPDATE id = id"
			);

			if ($this->locked) {
				return $this->fetch("SELECT data, expires FROM {$this->table} WHERE id = $row FOR UPDATE");
			}

			$error = $this->database->errno;
			$this->query('ROLLBACK');

			if ($error === self::LOCK_TIME_OUT) {
				return false;
			}
			if ($error === self::NO_TABLE) {
				$this->create();
			}
		}

		return false;
	}

	/** Reads the row without its lock. */
	private function look($id) {
		return $this->fetch("SELECT data, expires FROM {$this->table} WHERE id = " . $this->row($id));
	}

	private function fetch($question) {
		$answer = $this->database->query($question);
		if ($answer === false) {
			$this->complain('was not read: ' . $this->database->error);
			return false;
		}

		$found = $answer->fetch_row();
		$over = $found === null || (int) $found[1] < time();

		$this->data = $over ? '' : $found[0];
		$this->expires = $over ? 0 : (int) $found[1];

		return true;
	}

	/** Writes the locked row and ends the transaction. A session of nothing has no row. */
	private function save($id, $data) {
		$row = $this->row($id);

		if ($data === '') {
			$saved = $this->query("DELETE FROM {$this->table} WHERE id = $row");
		} else {
			$saved = $this->put($row, $data);
		}

		$saved = $saved && $this->query('COMMIT');
		$this->locked = false;

		return $saved;
	}

	private function put($row, $data) {
		$statement = $this->database->prepare("UPDATE {$this->table} SET data = ?, expires = ? WHERE id = $row");
		if ($statement === false) {
			return false;
		}

		$expires = time() + $this->life();
		$statement->bind_param('si', $data, $expires);

		return @$statement->execute();
	}

	private function connect() {
		$this->database = hornero_connect(self::LOCK_WAIT + 5);
		if ($this->database === null) {
			$this->complain('was not opened: ' . mysqli_connect_error());
			return false;
		}

		return $this->query('SET SESSION innodb_lock_wait_timeout = ' . self::LOCK_WAIT);
	}

	private function create() {
		return $this->query(
			"CREATE TABLE IF NOT EXISTS {$this->table} (id BINARY(32) NOT NULL PRIMARY KEY, data MEDIUMBLOB NOT NULL,"
			. ' expires BIGINT NOT NULL, KEY expires (expires)) ENGINE = InnoDB'
		);
	}

	private function query($statement) {
		return @$this->database->query($statement) !== false;
	}

	private function row($id) {
		return "X'" . $this->digest($id) . "'";
	}
}
