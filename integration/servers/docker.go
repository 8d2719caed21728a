package servers

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// StartDBContainer starts a MariaDB in a container by the docker command, for
// the demo on machines that have an engine and no mariadbd. It is a DB like
// one of [StartDB], but for Start, Kill and Client. The image is
// $CHARTWIRE_IMAGE_MARIADB, mariadb:11 by default.
func StartDBContainer(args ...string) (*DB, error) {
	image := os.Getenv("CHARTWIRE_IMAGE_MARIADB")
	if image == "" {
		image = "mariadb:11"
	}
	port, err := Port()
	if err != nil {
		return nil, err
	}
	const password = "test-secret"
	run := append([]string{"run", "-d", "--rm", "-p", fmt.Sprintf("127.0.0.1:%d:3306", port), "-e", "MARIADB_ROOT_PASSWORD=" + password, image,
		"--server-id=1", "--log-bin=binlog", "--binlog-format=ROW", "--binlog-row-image=FULL", "--binlog-row-metadata=FULL", "--gtid-strict-mode=ON"}, args...)
	out, err := exec.Command("docker", run...).Output()
	if err != nil {
		return nil, fmt.Errorf("starting %s in a container: %w", image, err)
	}
	db := &DB{Flavor: MariaDB1011, Port: port, Addr: fmt.Sprintf("127.0.0.1:%d", port), User: "root", Password: password,
		container: strings.TrimSpace(string(out))}
	if db.root, err = open(db.DSN("")); err == nil {
		for deadline := time.Now().Add(60 * time.Second); ; {
			if err = db.root.QueryRow("select version()").Scan(&db.Version); err == nil || time.Now().After(deadline) {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
	}
	if err != nil {
		db.Close()
		return nil, fmt.Errorf("waiting for %s in a container: %w", image, err)
	}
	return db, nil
}

// Engine reports whether a container engine answers the docker command.
func Engine() bool { return exec.Command("docker", "info").Run() == nil }

// Here reports whether the flavour's server is on this machine.
func (f Flavor) Here() bool {
	_, err := f.binary()
	return err == nil
}
