# Read by the scripts of Galera's state transfer before they begin (BASH_ENV in mariadb.service).
#
# They wait in whole seconds for what is there much sooner: most of the time that the transfer of a small data set takes. Here a wait
# ends as soon as what it waits for has come. It never lasts shorter otherwise, so that what the scripts count in waits (how long
# a process may take to end before it is killed) lasts as long as ever. A wait that is not known here is the usual one.
exec {hornero_nap}<> <(:) # a pipe that nobody writes to: reading from it is a wait without a process of its own

sleep() {
	local naps
	case "$#:${1-}:${FUNCNAME[1]-}" in
	1:0.5:cleanup_pid) naps=10 ;;
	1:1:cleanup_pid | 1:1:main) naps=20 ;;
	1:0.2:main) naps=1 ;; # until the donor's tables are flushed, or the joiner listens: looked at as often as it takes
	*)
		command sleep "$@"
		return
		;;
	esac
	for (( ; naps > 0; naps--)); do
		read -r -t 0.05 -u "$hornero_nap" || :
		case ${FUNCNAME[1]} in
		cleanup_pid) # the process has ended
			kill -0 "${pid-0}" 2>/dev/null || return 0
			;;
		main) # the joiner's wait for the donor's last word; before it listens, the file is that of an earlier transfer
			[ -z "${TRANSFER_REAL_PID-}" ] || [ ! -r "${MAGIC_FILE-}" ] || return 0
			;;
		esac
	done
}
