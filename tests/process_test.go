package tests

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mod-gowsgi/mod_gowsgi/tests/harness"
)

// This file is about applications that use their process as any Python program would.

// processConf mounts each script of apps/process twice: in the main interpreter, and in one of its own.
const processConf = `
WSGIScriptAliasMatch ^/main/(\w+) "${APPS}/process/$1.wsgi" application-group=%{GLOBAL}
WSGIScriptAliasMatch ^/sub/(\w+) "${APPS}/process/$1.wsgi" application-group=sub
` + helloConf

var groupPaths = []string{"/main", "/sub"}

type subprocess struct {
	Status     int
	Out        []string
	Err        string
	Signals    map[string]string
	Terminated int
}

func TestProcessSubprocess(t *testing.T) {
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		harness.EachMPM(t, func(t *testing.T, mpm string) {
			s := harness.Start(t, harness.Config{MPM: mpm, Mode: mode, Conf: processConf})
			for _, at := range groupPaths {
				got := ask[subprocess](t, s, at+"/subprocess")
				assert.Equal(t, 3, got.Status)
				assert.Equal(t, "complaint\n", got.Err)
				assert.Equal(t, []string{"0", "1", "2", "3", "fed"}, got.Out, "no descriptor of the server's (ls itself has one)")
				assert.Equal(t, -int(syscall.SIGTERM), got.Terminated)
				assert.Equal(t, "0000000000000000", got.Signals["SigBlk"], at)
				// What the tests were started with is passed on; prefork itself has SIGINT ignored, and posix_spawn() the C library's own.
				const exempt = 1<<(syscall.SIGINT-1) | 1<<(32-1) | 1<<(33-1)
				assert.Equal(t, ignoredSignals(t, "self")|exempt, parseSignals(t, got.Signals["SigIgn"])|exempt, at)
				assertHello(t, s)
			}
		})
	})
}

type spawned struct {
	Signals    map[string]map[string]string
	Terminated []int
}

// Whatever way a program is started, it finds an ordinary process's signals and can be ended.
func TestProcessSpawn(t *testing.T) {
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		harness.EachMPM(t, func(t *testing.T, mpm string) {
			s := harness.Start(t, harness.Config{MPM: mpm, Mode: mode, Conf: processConf})
			for _, at := range groupPaths {
				assertSpawned(t, ask[spawned](t, s, at+"/spawn"))
			}
		})
	})
}

func assertSpawned(t *testing.T, got spawned) {
	t.Helper()
	assert.Len(t, got.Signals, 9)
	for way, signals := range got.Signals {
		assert.Equal(t, "0000000000000000", signals["SigBlk"], way)
		assert.False(t, isSet(t, signals["SigIgn"], syscall.SIGTERM), way)
	}
	assert.Equal(t, []int{-int(syscall.SIGTERM), -int(syscall.SIGTERM)}, got.Terminated)
}

// So it does when the virtual environment imports subprocess before anything else can.
func TestProcessSpawnWithEarlySubprocess(t *testing.T) {
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		venv, site := newVenv(t, serverPython(t))
		writeFile(t, filepath.Join(site, "early.pth"), "import subprocess\n")
		s := harness.Start(t, harness.Config{Mode: mode, Conf: "WSGIPythonHome " + venv + "\n" + processConf})
		for _, at := range groupPaths {
			assertSpawned(t, ask[spawned](t, s, at+"/spawn"))
		}
	})
}

func TestProcessSubprocessConcurrently(t *testing.T) {
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: processConf})
		var all sync.WaitGroup
		for i := range 8 {
			all.Add(1)
			go func() {
				defer all.Done()
				for range 3 {
					got, err := s.Try(s.Request(http.MethodGet, groupPaths[i%2]+"/subprocess", nil))
					assert.NoError(t, err)
					assert.Contains(t, got.Body, `"fed"`)
				}
			}()
		}
		all.Wait()
	})
}

// A forked child never answers for the server and never ends it, however it ends.
func TestProcessFork(t *testing.T) {
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		harness.EachMPM(t, func(t *testing.T, mpm string) {
			s := harness.Start(t, harness.Config{MPM: mpm, Mode: mode, Conf: processConf})
			assertHello(t, s)
			before := s.AppProcesses()
			for how, status := range map[string]string{"_exit": "7", "sysexit": "7", "return": "0", "terminate": "-15"} {
				assert.Equal(t, status, s.Get("/main/fork?"+how).Body, how)
			}
			s.Expect(`LookupError: in the child`)
			s.Allow(`^Traceback `, `^  `, `^    `) // the child has no server to log through: it writes to the file itself
			assert.Equal(t, "1", s.Get("/main/fork?raise").Body)
			assert.Equal(t, before, s.AppProcesses())
			assertHello(t, s)
		})
	})
}

type pool struct {
	Exit      int
	Numbers   []int
	Elsewhere bool
}

func TestProcessMultiprocessing(t *testing.T) {
	t.Parallel()
	if !harness.MayWrite(t, "/dev/shm") {
		t.Skip("the server's user may not write to /dev/shm, where multiprocessing makes its semaphores")
	}
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		for _, path := range []string{"/main/pool?fork", "/main/pool?spawn", "/main/pool?forkserver", "/sub/pool?spawn"} {
			t.Run(path, func(t *testing.T) {
				s := harness.Start(t, harness.Config{Mode: mode, Conf: processConf})
				before := s.AppProcesses()
				for range 2 {
					got := ask[pool](t, s, path)
					assert.Equal(t, pool{Exit: 0, Numbers: []int{1, 1, 2, 6, 24, 120}, Elsewhere: true}, got)
				}
				s.Warm() // multiprocessing keeps a helper process, and its pipes
				assertHello(t, s)
				assert.Subset(t, s.AppProcesses(), before)
			})
		}
	})
}

func TestProcessThreads(t *testing.T) {
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		harness.EachMPM(t, func(t *testing.T, mpm string) {
			s := harness.Start(t, harness.Config{MPM: mpm, Mode: mode, Threads: 1, Children: 1, Conf: processConf})
			s.Expect(`background thread of group ''`, `background thread of group 'sub'`)
			for n := range 5 {
				assert.Equal(t, fmt.Sprintf("main %d", n+1), s.Get("/main/threads").Body)
				assert.Equal(t, fmt.Sprintf("sub %d", n+1), s.Get("/sub/threads").Body)
			}
		})
	})
}

type libraries struct {
	SQLite  int
	CTypes  []int
	Decimal string
	Signals map[string]string
}

func isSet(t *testing.T, mask string, signal syscall.Signal) bool {
	t.Helper()
	bits, err := strconv.ParseUint(mask, 16, 64)
	require.NoError(t, err)
	return bits>>(signal-1)&1 == 1
}

func TestProcessLibraries(t *testing.T) {
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		harness.EachMPM(t, func(t *testing.T, mpm string) {
			s := harness.Start(t, harness.Config{MPM: mpm, Mode: mode, Conf: processConf})
			for _, at := range groupPaths {
				got := ask[libraries](t, s, at+"/libraries")
				assert.Equal(t, 9900, got.SQLite)
				assert.Equal(t, []int{1, 2, 3, 4, 5}, got.CTypes)
				assert.Equal(t, "0.142857142857142857142857142857", got.Decimal)
				assert.True(t, isSet(t, got.Signals["SigIgn"], syscall.SIGPIPE), "SIGPIPE stays ignored")
				assert.False(t, isSet(t, got.Signals["SigBlk"], syscall.SIGSEGV), "faults are not blocked")
			}
		})
	})
}

// An application that crashes takes its process along, and only that: the log tells the signal, and another one is started.
func TestProcessCrash(t *testing.T) {
	t.Parallel()
	for _, at := range groupPaths {
		t.Run(at, func(t *testing.T) {
			harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
				s := harness.Start(t, harness.Config{Mode: mode, Conf: processConf, MayCrash: true})
				first := s.Get(at + "/crash").Body
				told := `exit signal Segmentation fault \(11\)`
				if mode.Daemon {
					told = `GWSGI0902: .* ended with signal 11 \(SIGSEGV\)`
					s.Expect(`GWSGI1113: `)
				}
				s.Expect(told, `^Fatal Python error: Segmentation fault`)
				if at == "/main" { // faulthandler shows frames of the main interpreter only
					s.Expect(`crash.wsgi", line \d+ in application`)
				}
				s.Allow(`^Current thread|^Thread |^  |^Extension modules`)
				conn := s.Dial()
				conn.Send("GET " + at + "/crash?crash HTTP/1.1\r\nHost: localhost\r\n\r\n")
				got, err := conn.Receive(http.MethodGet)
				if mode.Daemon {
					assert.Equal(t, http.StatusBadGateway, got.Status)
				} else {
					assert.Error(t, err)
				}
				s.WaitLog(told)
				s.Client.CloseIdleConnections()
				assert.NotEqual(t, first, s.Get(at+"/crash").Body, "another process")
				assertHello(t, s)
			})
		})
	}
}

// certificate makes a key and a certificate for localhost that signs itself.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	require.NoError(t, err)
	keyDER, err := x509.MarshalECPrivateKey(private)
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER}))
}

// Python's ssl and httpd's mod_ssl share one OpenSSL in a process.
func TestProcessTLSClient(t *testing.T) {
	dir := publicDir(t)
	cert, key := certificate(t)
	writeFile(t, dir+"/cert.pem", cert)
	writeFile(t, dir+"/key.pem", key)
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Modules: []string{"socache_shmcb", "ssl"}, ExtraPorts: 1, Conf: processConf + `
			LogLevel info ssl:crit
			<VirtualHost *:${PORT2}>
			ServerName localhost
			SSLEngine on
			SSLCertificateFile ` + dir + `/cert.pem
			SSLCertificateKeyFile ` + dir + `/key.pem
			</VirtualHost>`})
		for range 3 {
			for _, at := range groupPaths {
				got := s.Get(fmt.Sprintf("%s/client?port=%d&ca=%s/cert.pem", at, s.Ports[1], dir))
				assert.Equal(t, "200 Hello, World!", got.Body)
			}
		}
		s.Graceful()
		got := s.Get(fmt.Sprintf("/main/client?port=%d&ca=%s/cert.pem", s.Ports[1], dir))
		assert.True(t, strings.HasPrefix(got.Body, "200 "), got.Body)
	})
}

func parseSignals(t *testing.T, hex string) uint64 {
	t.Helper()
	set, err := strconv.ParseUint(hex, 16, 64)
	require.NoError(t, err)
	return set
}

// ignoredSignals is the set of signals that a process ignores, as /proc has it.
func ignoredSignals(t *testing.T, pid string) uint64 {
	t.Helper()
	status, err := os.ReadFile("/proc/" + pid + "/status")
	require.NoError(t, err)
	found := regexp.MustCompile(`SigIgn:\s*([0-9a-f]+)`).FindSubmatch(status)
	require.NotNil(t, found)
	return parseSignals(t, string(found[1]))
}
