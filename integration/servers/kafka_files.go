package servers

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// classArchive makes the JVM's archive of the broker's classes, once for all
// tests: it halves the time to start.
func classArchive(home, archive string, jvm []string, logging, lib string, o ClusterOptions) error {
	if _, err := os.Stat(archive); err == nil {
		return nil
	}
	dir, err := os.MkdirTemp("", "kafka-archive")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	nodes, err := plan(dir, ClusterOptions{Brokers: 1})
	if err != nil {
		return err
	}
	n := nodes[0]
	if err := os.MkdirAll(n.dir, 0o755); err != nil {
		return err
	}
	config := filepath.Join(n.dir, "s.properties")
	plain := ClusterOptions{Brokers: 1, Kafka39: o.Kafka39}
	if err := os.WriteFile(config, []byte(n.properties(&Cluster{}, plain)), 0o600); err != nil {
		return err
	}
	if err := run(nil, "java", logging, "-cp", lib, "kafka.tools.StorageTool", "format", "-t", clusterID, "-c", config); err != nil {
		return err
	}
	part := fmt.Sprintf("%s.%d", archive, os.Getpid())
	args := append(append([]string{}, jvm...), "-XX:ArchiveClassesAtExit="+part, "-Xlog:cds=off", "-Xlog:cds+dynamic=off",
		logging, "-cp", lib, "kafka.Kafka", config)
	p, err := start("java", args...)
	if err != nil {
		return err
	}
	c := &Cluster{Internal: fmt.Sprintf("127.0.0.1:%d", n.internal), Brokers: []*Broker{{Process: p}}}
	err = c.Wait(60 * time.Second)
	p.Stop(30 * time.Second) // the archive is written at an orderly end
	if err != nil {
		return err
	}
	return os.Rename(part, archive)
}

// certificates makes an authority and a certificate for 127.0.0.1 below dir and
// returns the authority's PEM file; server.pem beside it is the broker's.
func certificates(dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", err
	}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Chartwire test authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	if err != nil {
		return "", err
	}
	leafKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", err
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "127.0.0.1"},
		NotBefore: ca.NotBefore, NotAfter: ca.NotAfter, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, ca, &leafKey.PublicKey, caKey)
	if err != nil {
		return "", err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(leafKey)
	if err != nil {
		return "", err
	}
	block := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	authority := block("CERTIFICATE", caDER)
	server := strings.Join([]string{block("PRIVATE KEY", pkcs8), block("CERTIFICATE", leafDER), authority}, "")
	if err := os.WriteFile(filepath.Join(dir, "server.pem"), []byte(server), 0o600); err != nil {
		return "", err
	}
	path := filepath.Join(dir, "ca.pem")
	return path, os.WriteFile(path, []byte(authority), 0o644)
}
