#!/bin/sh
# Installs what the tests and the demo need and the machine has not:
#
#   install.sh mariadb|mysql|mariadb-new|kafka|kafka39|debezium|registry|python|docker|demo ...
#
# Everything but Debian's packages goes to $CHARTWIRE_CACHE (default
# ~/.cache/chartwire) and is reused. Safe to run again; says what it found.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
cache=${CHARTWIRE_CACHE:-$HOME/.cache/chartwire}
mkdir -p "$cache"

KAFKA=4.1.1 KAFKA_LOG4J=2.24.3
LOG4J=org.apache.logging.log4j:log4j-slf4j-impl
KAFKA39=3.9.1
DEBEZIUM=3.5.0.Final
REGISTRY=3.0.9 # the newest that runs on JDK 17

say() { echo "install: $*" >&2; }

apt_updated=
apt() {
	[ "$(id -u)" = 0 ] && command -v apt-get >/dev/null ||
		{ say "missing: $*; install it by your system's package manager and run this again"; exit 1; }
	[ -n "$apt_updated" ] || { apt-get update -q >&2; apt_updated=1; }
	say "installing $*"
	DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@" >&2
}

need() { command -v "$1" >/dev/null || apt "$2"; }

need_java() {
	need java openjdk-17-jre-headless
	need mvn maven
}

# fetch NAME: run a step into a fresh folder and move it in place when whole.
once() {
	[ -e "$cache/$1/.done" ] && { say "$1: there already"; return 1; }
	rm -rf "$cache/$1" "$cache/$1.part"
	mkdir -p "$cache/$1.part"
}
finish() {
	touch "$cache/$1.part/.done"
	mv "$cache/$1.part" "$cache/$1"
	say "$1: ready"
}

mariadb() {
	command -v mariadbd >/dev/null || [ -x /usr/sbin/mariadbd ] || apt mariadb-server-core mariadb-client-core
	say "mariadb: $(/usr/sbin/mariadbd --version 2>/dev/null | cut -c1-60)"
}

# The newer servers are unpacked beside the system, not installed into it.
unpack() { # NAME PACKAGES
	once "$1" || return 0
	need mmdebstrap mmdebstrap
	mirror=$(sed -nE 's/^(URIs: *|deb (\[[^]]*\] )?)(https?:[^ ]*).*/\3/p' \
		/etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | grep -vE 'security|snapshot|updates' | head -n 1)
	[ -n "$mirror" ] || { say "no Debian archive among the sources of apt: $1 is left out"; exit 1; }
	mmdebstrap --quiet --variant=extract --aptopt='Acquire::Check-Valid-Until "false"' \
		--include="$2,dash,coreutils,base-files" sid "$cache/$1.part/root" "$mirror" >&2
	finish "$1"
}

mysql() {
	unpack mysql mysql-server-core,mysql-client-core
	say "mysql: $("$here/run.sh" "$cache/mysql/root" mysqld --version 2>/dev/null | cut -c1-90)"
}

mariadb_new() {
	unpack mariadb-new mariadb-server-core
	say "mariadb-new: $("$here/run.sh" "$cache/mariadb-new/root" mariadbd --version 2>/dev/null | cut -c1-90)"
}

jars() { # NAME GROUP:ARTIFACT:VERSION...
	once "$1" || return 0
	need_java
	name=$1 d=$cache/$1.part deps=
	shift
	for a in "$@"; do
		v=${a##*:} g=${a%%:*} a=${a%:*}
		deps="$deps<dependency><groupId>$g</groupId><artifactId>${a#*:}</artifactId><version>$v</version></dependency>
"
	done
	cat >"$d/pom.xml" <<POM
<project><modelVersion>4.0.0</modelVersion>
<groupId>chartwire</groupId><artifactId>$name</artifactId><version>1</version><packaging>pom</packaging><dependencies>
$deps</dependencies></project>
POM
	(cd "$d" && mvn -q -B dependency:copy-dependencies -DoutputDirectory="$d/lib" >&2)
	cp "$here/log4j2.xml" "$here/log4j.properties" "$d/"
	finish "$name"
}

broker() { # NAME VERSION
	name=$1 v=$2
	shift 2
	jars "$name" "org.apache.kafka:kafka_2.13:$v" "org.apache.kafka:kafka-tools:$v" "$@"
}

# What the benchmarks set beside capture, in Kafka Connect's standalone worker.
debezium() {
	jars debezium "org.apache.kafka:connect-runtime:$KAFKA" "org.apache.kafka:connect-json:$KAFKA" \
		"io.debezium:debezium-connector-mariadb:$DEBEZIUM" "$LOG4J:$KAFKA_LOG4J"
}

registry() {
	once registry || return 0
	need_java
	d=$cache/registry.part
	(cd "$d" && mvn -q -B dependency:copy -Dartifact="io.apicurio:apicurio-registry-app:$REGISTRY:tar.gz:all" -DoutputDirectory="$d" >&2)
	tar -C "$d" -xzf "$d"/*.tar.gz && rm "$d"/*.tar.gz
	finish registry
}

# A consumer that is not ours, in an environment of its own.
python() {
	once python || return 0
	python3 -c 'import venv, ensurepip' 2>/dev/null || apt python3 python3-venv
	d=$cache/python.part
	python3 -m venv "$d" && "$d/bin/python" -m pip install -q --disable-pip-version-check -r "$here/../foreign/requirements.txt" >&2
	finish python
}

docker() { need dockerd docker.io; }

# The demo needs one MariaDB, wherever it comes from.
demo() {
	command -v mariadbd >/dev/null || [ -x /usr/sbin/mariadbd ] || command docker info >/dev/null 2>&1 || mariadb
}

[ $# -gt 0 ] || { say "usage: install.sh mariadb|mysql|mariadb-new|kafka|kafka39|debezium|registry|python|docker|demo ..."; exit 2; }
for what in "$@"; do
	case $what in
	mariadb) mariadb ;;
	mysql) mysql ;;
	mariadb-new) mariadb_new ;;
	kafka) broker kafka "$KAFKA" "$LOG4J:$KAFKA_LOG4J" ;;
	kafka39) broker kafka39 "$KAFKA39" ;;
	debezium) debezium ;;
	registry) registry ;;
	python) python ;;
	docker) docker ;;
	demo) demo ;;
	*) say "unknown: $what"; exit 2 ;;
	esac
done
