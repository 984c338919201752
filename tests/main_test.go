// Package tests holds the integration tests: a real httpd, real applications, a client.
package tests

import (
	"testing"

	"github.com/mod-gowsgi/mod_gowsgi/tests/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }
