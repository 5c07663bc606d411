# Sourced by a script that is made of parts (scripts/test.sh). It prints what each part prints, keeps it in .cache/test, ends the
# script at the first part that fails, and prints a table of the parts with their times, however the script ends.
#   part NAME COMMAND...      run a part
#   beside NAME COMMAND...    start one beside those that follow, with what they leave of the processors
#   joined                    wait for the one that was started beside; what is counted is the wait

part_logs=.cache/test
rm -rf "$part_logs"
mkdir -p "$part_logs"
part_number=0 part_table='' part_failed='' part_log='' part_now='' part_began='' script_began=''
beside_pid='' beside_name='' beside_log=''

# What the clock and the processors say: seconds, and ticks that were spent at work, and in all.
part_clock() {
	local _ user nice system idle iowait irq softirq steal
	read -r _ user nice system idle iowait irq softirq steal _ </proc/stat
	echo "$EPOCHREALTIME $((user + nice + system + irq + softirq)) $((user + nice + system + idle + iowait + irq + softirq + steal))"
}
part_began=$(part_clock) script_began=$part_began

part() {
	local status=0
	part_begins "$1"
	shift
	echo "== $part_now"
	# A subshell of its own: set -e has no effect in what is run as a condition.
	set +e
	(set -e; "$@") 2>&1 | tee "$part_log"
	status=${PIPESTATUS[0]}
	set -e
	part_ends "$status"
}

beside() {
	part_number=$((part_number + 1))
	beside_name=$1 beside_log=$part_logs/$(printf '%02d' "$part_number").log
	shift
	# A process group of its own, so that all of it ends with the script.
	set -m
	(set -e; renice -n 19 -p "$BASHPID" >/dev/null; "$@") >"$beside_log" 2>&1 </dev/null &
	beside_pid=$!
	set +m
}

joined() {
	local status=0
	part_begins "$beside_name"
	part_log=$beside_log
	wait "$beside_pid" || status=$?
	beside_pid=''
	[ "$status" = 0 ] || cat "$part_log"
	part_ends "$status"
}

part_begins() {
	part_number=$((part_number + 1))
	part_now=$1 part_log=$part_logs/$(printf '%02d' "$part_number").log part_began=$(part_clock)
}

part_ends() { # part_ends STATUS
	part_table+=$(part_line "$part_now" "$part_began")$'\n'
	[ "$1" = 0 ] || part_failed=$part_now
	part_now=''
	[ "$1" = 0 ] || exit "$1"
}

part_line() { # part_line NAME BEGAN
	echo "$2 $(part_clock)" | awk -v name="$1" '{
		t = int($4 - $1 + 0.5); ticks = $6 - $3
		printf "%4d:%02d %3d%%  %s", t / 60, t % 60, ticks ? 100 * ($5 - $2) / ticks : 0, name
	}'
}

parts_end() {
	local status=$?
	[ -z "$beside_pid" ] || kill -TERM -- "-$beside_pid" 2>/dev/null || true
	# Interrupted in the middle of a part.
	[ -z "$part_now" ] || { part_table+=$(part_line "$part_now" "$part_began")$'\n'; part_failed=$part_now; }
	printf '\n== min:sec by part, and how busy the processors were\n%s%s\n' "$part_table" "$(part_line total "$script_began")"
	[ -z "$part_failed" ] || printf 'FAILED: %s\nits output: %s\n' "$part_failed" "$PWD/$part_log"
	return "$status"
}
trap parts_end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
