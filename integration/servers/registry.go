package servers

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"time"
)

// StartRegistry starts a schema registry and returns the URL of its
// Confluent-compatible API. Its content is in memory.
func StartRegistry() (string, *Process, error) {
	jars, err := filepath.Glob(filepath.Join(Cache(), "registry", "apicurio-registry-app-*-runner.jar"))
	if err != nil || len(jars) == 0 {
		return "", nil, missing("registry")
	}
	port, err := Port()
	if err != nil {
		return "", nil, err
	}
	// It opens its management port on all interfaces unless told otherwise.
	management, err := Port()
	if err != nil {
		return "", nil, err
	}
	p, err := startIn(filepath.Dir(jars[0]), "java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
		"-Dquarkus.http.host=127.0.0.1", fmt.Sprintf("-Dquarkus.http.port=%d", port),
		"-Dquarkus.management.host=127.0.0.1", fmt.Sprintf("-Dquarkus.management.port=%d", management),
		"-jar", jars[0])
	if err != nil {
		return "", nil, err
	}
	url := fmt.Sprintf("http://127.0.0.1:%d/apis/ccompat/v7", port)
	client := &http.Client{Timeout: 5 * time.Second}
	err = p.wait(90*time.Second, func() error {
		resp, err := client.Get(url + "/subjects")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("status %s", resp.Status)
		}
		return nil
	})
	if err != nil {
		p.Kill()
		return "", nil, err
	}
	// Its own level is NONE where others have BACKWARD.
	req, err := http.NewRequest(http.MethodPut, url+"/config", strings.NewReader(`{"compatibility":"BACKWARD_TRANSITIVE"}`))
	if err != nil {
		return "", nil, err
	}
	req.Header.Set("Content-Type", "application/vnd.schemaregistry.v1+json")
	resp, err := client.Do(req)
	if err != nil {
		p.Kill()
		return "", nil, fmt.Errorf("setting the registry's compatibility: %w", err)
	}
	return url, p, resp.Body.Close()
}
