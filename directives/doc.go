// This file introduces the package.

// Package directives is Go's view of the configuration: the directives of directives.def, the options of
// WSGIDaemonProcess in daemon_options.def, and the expansion of %{…} in group and callable names.
//
// The two .def files are the only place where a directive is described. C includes them in table.h (ids), rows.h (the rows
// as data) and table_hash.h; the Apache side makes its command table, its checks and its merging from them, this package its
// typed rows, and README.md its reference. To add a directive, add its row, then run
//
//	go test ./directives -run Readme -update
//
// which writes the reference into README.md again.
package directives
