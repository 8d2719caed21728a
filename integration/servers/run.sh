#!/bin/sh
# run.sh ROOT SERVER [ARG...]: runs a server out of an unpacked Debian tree by
# its own loader, without chroot and without root's rights.
root=$1 server=$2
shift 2
exec "$root/usr/lib64/ld-linux-x86-64.so.2" \
	--library-path "$root/usr/lib/x86_64-linux-gnu:$root/usr/lib/mysql/private" \
	"$root/usr/sbin/$server" "$@"
