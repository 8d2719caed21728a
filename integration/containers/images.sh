#!/bin/sh
# images.sh: makes container images of the servers out of Debian's packages and
# Kafka's jars, for machines that can reach no image registry. They speak the
# environment of the public images, so that one test runs on both. Prints the
# variables that name them:
#
#   eval "$(integration/containers/images.sh)"
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cache=${CHARTWIRE_CACHE:-$HOME/.cache/chartwire}
say() { echo "images: $*" >&2; }

"$here/../servers/install.sh" mariadb mysql kafka docker
command -v mmdebstrap >/dev/null || apt-get install -q -y --no-install-recommends mmdebstrap >&2

if ! docker info >/dev/null 2>&1; then
	say "starting the container engine"
	nohup dockerd >"$cache/dockerd.log" 2>&1 &
	for _ in $(seq 100); do docker info >/dev/null 2>&1 && break; sleep 0.2; done
	docker info >/dev/null 2>&1 || { tail -n 20 "$cache/dockerd.log" >&2; say "the container engine does not answer"; exit 1; }
fi

have() { docker image inspect "$1" >/dev/null 2>&1; }

# pack ROOT IMAGE ENTRYPOINT-JSON
pack() { tar -C "$1" -c . | docker import -c "ENTRYPOINT $3" -c 'CMD []' - "$2" >/dev/null && say "$2: built"; }

users() { # ROOT NAME: extract runs no maintainer script, so no user exists
	printf 'root:x:0:0::/root:/bin/sh\n%s:x:999:999::/nonexistent:/bin/sh\n' "$2" >"$1/etc/passwd"
	printf 'root:x:0:\n%s:x:999:\n' "$2" >"$1/etc/group"
}

mariadb=chartwire/mariadb:10.11 mysql=chartwire/mysql:9 kafka=chartwire/kafka:4.1.1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if ! have $mariadb; then
	mmdebstrap --quiet --variant=extract --include=mariadb-server-core,mariadb-client-core,dash,coreutils,base-files,sed,hostname,gawk \
		bookworm "$work/mariadb" >&2
	users "$work/mariadb" mysql
	mkdir -p "$work/mariadb/data" "$work/mariadb/tmp" && chmod 1777 "$work/mariadb/tmp" && chown 999:999 "$work/mariadb/data"
	cat >"$work/mariadb/entry" <<'ENTRY'
#!/bin/sh
set -eu
[ -d /data/mysql ] || mariadb-install-db --no-defaults --datadir=/data --user=mysql --auth-root-authentication-method=normal >/dev/null
printf "create user if not exists root@'%%' identified by '%s';\ngrant all on *.* to root@'%%' with grant option;\n" "$MARIADB_ROOT_PASSWORD" >/tmp/init.sql
exec mariadbd --no-defaults --user=mysql --datadir=/data --socket=/tmp/s.sock --init-file=/tmp/init.sql "--bind-address=*" "$@"
ENTRY
	chmod +x "$work/mariadb/entry"
	pack "$work/mariadb" $mariadb '["/entry"]'
fi

if ! have $mysql; then
	cp -a "$cache/mysql/root" "$work/mysql"
	users "$work/mysql" mysql
	mkdir -p "$work/mysql/data" "$work/mysql/tmp" "$work/mysql/var/lib/mysql-files" && chmod 1777 "$work/mysql/tmp" && chown 999:999 "$work/mysql/data"
	cat >"$work/mysql/entry" <<'ENTRY'
#!/bin/sh
set -eu
export LD_LIBRARY_PATH=/usr/lib/mysql/private
[ -d /data/mysql ] || mysqld --no-defaults --user=mysql --datadir=/data --initialize-insecure --secure-file-priv=NULL 2>/dev/null
printf "create user if not exists root@'%%' identified by '%s';\ngrant all on *.* to root@'%%' with grant option;\n" "$MYSQL_ROOT_PASSWORD" >/tmp/init.sql
exec mysqld --no-defaults --user=mysql --datadir=/data --socket=/tmp/s.sock --init-file=/tmp/init.sql "--bind-address=*" --secure-file-priv=NULL --mysqlx=OFF "$@"
ENTRY
	chmod +x "$work/mysql/entry"
	pack "$work/mysql" $mysql '["/entry"]'
fi

if ! have $kafka; then
	mmdebstrap --quiet --variant=extract --include=openjdk-17-jre-headless,dash,coreutils,base-files bookworm "$work/kafka" >&2
	users "$work/kafka" kafka
	mkdir -p "$work/kafka/data" "$work/kafka/tmp" "$work/kafka/opt/kafka" && chmod 1777 "$work/kafka/tmp" && chown 999:999 "$work/kafka/data"
	cp -a "$cache/kafka/lib" "$cache/kafka/log4j2.xml" "$work/kafka/opt/kafka/"
	cat >"$work/kafka/entry" <<'ENTRY'
#!/bin/sh
set -eu
java=/usr/lib/jvm/java-17-openjdk-amd64/bin/java
conf=/data/s.properties
{
	echo log.dirs=/data/log
	env | while IFS='=' read -r k v; do
		case $k in KAFKA_HEAP_OPTS) ;; KAFKA_*) printf '%s=%s\n' "$(printf %s "${k#KAFKA_}" | tr 'A-Z_' 'a-z.')" "$v" ;; esac
	done
} >$conf
[ -f /data/log/meta.properties ] ||
	$java -XX:TieredStopAtLevel=1 -cp '/opt/kafka/lib/*' kafka.tools.StorageTool format -t "${CLUSTER_ID:-AAAAAAAAAAAAAAAAAAAAAQ}" -c $conf
exec $java ${KAFKA_HEAP_OPTS:--Xms128m -Xmx384m} -XX:+UseSerialGC -XX:TieredStopAtLevel=1 \
	-Dlog4j2.configurationFile=/opt/kafka/log4j2.xml -Dkafka.level=INFO -cp '/opt/kafka/lib/*' kafka.Kafka $conf
ENTRY
	chmod +x "$work/kafka/entry"
	tar -C "$work/kafka" -c . | docker import -c 'ENTRYPOINT ["/entry"]' -c 'CMD []' -c 'USER kafka' - $kafka >/dev/null && say "$kafka: built"
fi

cat <<VARS
export CHARTWIRE_IMAGE_MARIADB=$mariadb CHARTWIRE_IMAGE_MYSQL=$mysql CHARTWIRE_IMAGE_KAFKA=$kafka
export TESTCONTAINERS_RYUK_DISABLED=true TESTCONTAINERS_HOST_OVERRIDE=127.0.0.1 CHARTWIRE_SERVERS=containers
VARS
