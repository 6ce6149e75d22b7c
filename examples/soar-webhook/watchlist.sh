#!/bin/sh
# A playbook: keeps the values that stand in a file, one a line. Run for each change
# by soar-webhook; put in its place what your SOAR is to do. Done twice is as done once.
set -eu
list=${WATCHLIST:-watchlist.txt}
umask 077
touch "$list"
case $TOCSIN_OP in
add)
	grep -Fxq -e "$TOCSIN_VALUE" "$list" || printf '%s\n' "$TOCSIN_VALUE" >>"$list"
	;;
remove)
	grep -Fxv -e "$TOCSIN_VALUE" "$list" >"$list.new" || [ $? -eq 1 ]
	mv "$list.new" "$list"
	;;
reset) # all is told anew: forget what came before
	: >"$list"
	;;
esac
