package servers

import (
	"os"
	"path/filepath"
)

// Python gives an interpreter that has what integration/foreign needs.
func Python() (string, error) {
	dir := filepath.Join(Cache(), "python")
	if _, err := os.Stat(filepath.Join(dir, ".done")); err != nil {
		return "", missing("python")
	}
	return filepath.Join(dir, "bin", "python"), nil
}
