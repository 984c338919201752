// Package harness runs a real httpd for one test and looks after it.
//
// A test states a configuration, starts the server, talks to it, and is done; the rest happens by itself. When the test
// ends the server is stopped and the test fails if
//
//   - the error log has a line of level warn or above, or one that is no log line at all, that the test did not declare
//     with Expect, ExpectTraceback or Allow; or a line that it declared with Expect never came;
//   - a child process or a daemon process crashed, unless Config.MayCrash;
//   - a process holds more descriptors than it did after the first response (see Warm), other than as many connections between
//     httpd's children and daemon processes as they keep open;
//   - a process of the server, or a socket file, is left after the server stopped. Daemon processes and their supervisor are
//     among them, also when their parents are gone.
//
// It waits for conditions, never for a time.
//
// Inside of Config.Conf these names are defined: ${PORT} (and ${PORT2}, … for Config.ExtraPorts), ${RUN} (the server's own
// folder, short enough for socket names), ${HTDOCS} (static files), ${DATA} (writable for the server's children) and
// ${APPS} (the folder tests/apps).
//
// The module under test is build/mod_gowsgi.so of this checkout, or what GOWSGI_MODULE names: with
// GOWSGI_MODULE=/usr/lib/apache2/modules/mod_wsgi.so a test can be held against the peer. GOWSGI_APPS names another tests/apps.
// GOWSGI_KEEP=1 keeps ${RUN}.
package harness
