#!/bin/sh
# A playbook: keeps the values that stand in a file, one a line. Run for each change
# by soar-webhook; put in its place what your SOAR is to do. Done twice is as done once.
set -eu
list=${WATCHLIST:-watchlist.txt}
umask 077
touch "$list" "$list.from"
case $TOCSIN_OP in
add)
	grep -Fxq -e "$TOCSIN_VALUE" "$list" || printf '%s\n' "$TOCSIN_VALUE" >>"$list"
	printf '%s %s\n' "$TOCSIN_OBJECT" "$TOCSIN_VALUE" >>"$list.from"
	;;
remove)
	if [ -z "$TOCSIN_VALUE" ]; then # erased: the node says where it was, and not what
		TOCSIN_VALUE=$(sed -n "s|^$TOCSIN_OBJECT ||p" "$list.from" | tail -n 1)
		grep -Fv -e "$TOCSIN_OBJECT " "$list.from" >"$list.new" || [ $? -eq 1 ]
		mv "$list.new" "$list.from"
	fi
	grep -Fxv -e "$TOCSIN_VALUE" "$list" >"$list.new" || [ $? -eq 1 ]
	mv "$list.new" "$list"
	;;
reset) # all is told anew: forget what came before
	: >"$list"
	: >"$list.from"
	;;
esac
