<?php
// Replaces a text in what WordPress keeps in its database: plain, in serialised values and in JSON.

class Hornero_Replacer {
	/** How many places were replaced. */
	public $count = 0;

	private $variants; // what stands for the old text, and what for the new one
	private $pattern;

	public function __construct(string $old, string $new) {
		$this->variants = self::variants($old, $new);
		$found = array_map(function ($text) {
			return preg_quote($text, '~');
		}, $this->needles());

		// The longest first: what was replaced is not looked at again. A name that only begins as an address does is
		// another one's: http://example.org is not in http://example.organic.
		$end = self::isAddress($old) ? '(?![A-Za-z0-9_-]|\.[A-Za-z0-9]|:[0-9])' : '';
		$this->pattern = '~(?:' . implode('|', $found) . ")$end~";
	}

	/** All forms of the old text, the longest first. */
	public function needles(): array {
		$needles = array_map('strval', array_keys($this->variants));
		usort($needles, function ($a, $b) {
			return strlen($b) - strlen($a);
		});

		return $needles;
	}

	/** A value with everything replaced. Lengths in serialised values are mended, and nothing is unserialised. */
	public function replace(string $text): string {
		$at = 0;
		$serialised = preg_match('/^(?:[abdisOCE]:|N;)/', $text) ? $this->value($text, $at) : null;

		if ($serialised !== null && $at === strlen($text)) {
			return $serialised;
		}

		return $this->plain($text);
	}

	/** The forms in which an address or a text may stand, and what is to stand there. */
	private static function variants(string $old, string $new): array {
		$pairs = [$old => $new];

		if (self::isAddress($old) && self::isAddress($new)) {
			// Whatever the scheme, and where there is none.
			$pairs[preg_replace('~^[a-z]+:~i', '', $old)] = preg_replace('~^[a-z]+:~i', '', $new);

			foreach (['http:', 'https:'] as $scheme) {
				$pairs[preg_replace('~^[a-z]+:~i', $scheme, $old)] = $new;
			}
		}

		$all = [];
		foreach ($pairs as $from => $to) {
			$from = (string) $from;

			$forms = [
				[$from, $to],
				// In JSON, and in JSON within JSON.
				[str_replace('/', '\/', $from), str_replace('/', '\/', $to)],
				[str_replace('/', '\\\\\/', $from), str_replace('/', '\\\\\/', $to)],
				// In the parameters of an address.
				[rawurlencode($from), rawurlencode($to)],
				[self::lowerEscapes($from), self::lowerEscapes($to)],
			];

			// Where two forms are the same text, the plainer one is meant.
			foreach ($forms as list($form, $replacement)) {
				$all += [$form => $replacement];
			}
		}

		return $all;
	}

	private static function isAddress(string $text): bool {
		return preg_match('~^https?://[^/]~i', $text) === 1;
	}

	private static function lowerEscapes(string $text): string {
		return preg_replace_callback('/%[0-9A-F]{2}/', function ($found) {
			return strtolower($found[0]);
		}, rawurlencode($text));
	}

	private function plain(string $text): string {
		$replaced = preg_replace_callback($this->pattern, function ($found) {
			$this->count++;
			return $this->variants[$found[0]];
		}, $text);

		return $replaced === null ? $text : $replaced;
	}

	/** One serialised value from a place on, replaced; null when there is none. The counts of a failure are taken back. */
	private function value(string $text, int &$at) {
		$before = $this->count;
		$value = $this->parse($text, $at);

		if ($value === null) {
			$this->count = $before;
		}

		return $value;
	}

	private function parse(string $text, int &$at) {
		if (preg_match('/\G(?:N;|b:[01];|[irR]:-?[0-9]+;|d:[^;]+;)/', $text, $found, 0, $at)) {
			$at += strlen($found[0]);
			return $found[0];
		}
		if (preg_match('/\Gs:([0-9]+):"/', $text, $found, 0, $at)) {
			return $this->text($text, $at, $found);
		}
		if (preg_match('/\GE:[0-9]+:"[A-Za-z0-9_\\\\\x80-\xff]+:[A-Za-z0-9_]+";/', $text, $found, 0, $at)) {
			$at += strlen($found[0]);
			return $found[0];
		}
		if (preg_match('/\GC:[0-9]+:"[^"]*":([0-9]+):\{/', $text, $found, 0, $at)) {
			return $this->custom($text, $at, $found);
		}
		if (preg_match('/\G(?:a|O:[0-9]+:"[^"]*"):([0-9]+):\{/', $text, $found, 0, $at)) {
			return $this->members($text, $at, $found);
		}

		return null;
	}

	/** A string, whose length is counted anew. It may be a serialised value itself. */
	private function text(string $text, int &$at, array $found) {
		$start = $at + strlen($found[0]);
		$length = (int) $found[1];

		if (substr($text, $start + $length, 2) !== '";') {
			return null;
		}

		$at = $start + $length + 2;
		$replaced = $this->replace((string) substr($text, $start, $length));

		return 's:' . strlen($replaced) . ":\"$replaced\";";
	}

	/** An object that writes itself in its own form. */
	private function custom(string $text, int &$at, array $found) {
		$start = $at + strlen($found[0]);
		$length = (int) $found[1];

		if (substr($text, $start + $length, 1) !== '}') {
			return null;
		}

		$at = $start + $length + 1;
		$replaced = $this->replace((string) substr($text, $start, $length));
		$head = preg_replace('/[0-9]+:\{$/', '', $found[0]);

		return $head . strlen($replaced) . ":{{$replaced}}";
	}

	/** The keys and values of an array or an object. */
	private function members(string $text, int &$at, array $found) {
		$at += strlen($found[0]);
		$all = $found[0];

		for ($left = 2 * (int) $found[1]; $left > 0; $left--) {
			$value = $this->parse($text, $at);
			if ($value === null) {
				return null;
			}
			$all .= $value;
		}

		if (substr($text, $at, 1) !== '}') {
			return null;
		}
		$at++;

		return $all . '}';
	}
}
