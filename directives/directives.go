// This file gives the rows of both tables to Go.

package directives

/*
#include "rows.h"
#include "table_hash.h"

static const gw_row *directive_row(int i) { return &gw_directive_rows[i]; }
static const gw_row *option_row(int i) { return &gw_option_rows[i]; }
*/
import "C"

import (
	"embed"
	"strconv"
	"strings"
)

// go build does not look into files that only C includes; that they are embedded makes it see when they change.
//
//go:embed *.def
var _ embed.FS

// Kind says how a value is written; table.h describes each.
type Kind int

// The kinds, in the order of gw_kind.
const (
	Flag       Kind = C.GW_KIND_FLAG
	Off        Kind = C.GW_KIND_OFF
	Number     Kind = C.GW_KIND_NUMBER
	NumberOr0  Kind = C.GW_KIND_NUMBER_OR_0
	Seconds    Kind = C.GW_KIND_SECONDS
	Seed       Kind = C.GW_KIND_SEED
	Warnings   Kind = C.GW_KIND_WARNINGS
	Octal      Kind = C.GW_KIND_OCTAL
	Keyword    Kind = C.GW_KIND_KEYWORD
	Mutex      Kind = C.GW_KIND_MUTEX
	Text       Kind = C.GW_KIND_TEXT
	Group      Kind = C.GW_KIND_GROUP
	Callable   Kind = C.GW_KIND_CALLABLE
	Path       Kind = C.GW_KIND_PATH
	Paths      Kind = C.GW_KIND_PATHS
	Python     Kind = C.GW_KIND_PYTHON
	Prefix     Kind = C.GW_KIND_PREFIX
	User       Kind = C.GW_KIND_USER
	Owner      Kind = C.GW_KIND_OWNER
	UnixGroup  Kind = C.GW_KIND_UNIX_GROUP
	UnixGroups Kind = C.GW_KIND_UNIX_GROUPS
	Env        Kind = C.GW_KIND_ENV
	Names      Kind = C.GW_KIND_NAMES
	Script     Kind = C.GW_KIND_SCRIPT
	Alias      Kind = C.GW_KIND_ALIAS
	AliasMatch Kind = C.GW_KIND_ALIAS_MATCH
	Import     Kind = C.GW_KIND_IMPORT
	Daemon     Kind = C.GW_KIND_DAEMON
)

// Where says in which contexts a directive may stand.
type Where int

// The places, in the order of gw_where.
const (
	MainServer Where = C.GW_WHERE_MAIN
	Server     Where = C.GW_WHERE_SERVER
	Directory  Where = C.GW_WHERE_DIRECTORY
	FileInfo   Where = C.GW_WHERE_FILEINFO
	AuthConfig Where = C.GW_WHERE_AUTHCFG
)

// Contexts names the contexts as httpd's manual does.
func (w Where) Contexts() []string {
	switch w {
	case MainServer:
		return []string{"server config"}
	case Server:
		return []string{"server config", "virtual host"}
	case Directory:
		return []string{"server config", "virtual host", "directory"}
	case FileInfo:
		return []string{"server config", "virtual host", "directory", ".htaccess"}
	case AuthConfig:
		return []string{"directory", ".htaccess"}
	}
	return nil
}

// Override names what AllowOverride must list for .htaccess, "" where a directive cannot stand there.
func (w Where) Override() string {
	switch w {
	case FileInfo:
		return "FileInfo"
	case AuthConfig:
		return "AuthConfig"
	}
	return ""
}

// Row is one directive, or one option of WSGIDaemonProcess.
type Row struct {
	Name     string
	Kind     Kind
	Where    Where    // of directives only
	Num      int      // the default of a flag, number or keyword (its index)
	Str      string   // the default of text
	Unset    string   // what holds when nothing is given, in words; "" when there is a default
	Min, Max int      // of numbers; of the count of paths
	Idle     bool     // accepted and without effect
	Keywords []string // as they are written
	Syntax   string
	Help     string
}

// Default is the default as it would be written, or "" when there is none (see Unset).
func (r Row) Default() string {
	switch {
	case r.Unset != "":
		return ""
	case r.Kind == Flag || r.Kind == Off:
		return map[int]string{0: "Off", 1: "On"}[r.Num]
	case len(r.Keywords) > 0:
		return r.Keywords[r.Num]
	case r.Str != "":
		return r.Str
	}
	return strconv.Itoa(r.Num)
}

func rowOf(c *C.gw_row) Row {
	row := Row{
		Name:   C.GoString(c.name),
		Kind:   Kind(c.kind),
		Where:  Where(c.where),
		Num:    int(c.num),
		Str:    C.GoString(c.str),
		Unset:  C.GoString(c.unset),
		Min:    int(c.min),
		Max:    int(c.max),
		Idle:   c.idle != 0,
		Syntax: C.GoString(c.syntax),
		Help:   C.GoString(c.help),
	}
	if c.keywords != nil {
		row.Keywords = strings.Split(C.GoString(c.keywords), "|")
	}
	return row
}

// All returns the directives, in the order of directives.def.
func All() []Row {
	rows := make([]Row, C.GW_DIRECTIVE_COUNT)
	for i := range rows {
		rows[i] = rowOf(C.directive_row(C.int(i)))
	}
	return rows
}

// Options returns the options of WSGIDaemonProcess, in the order of daemon_options.def.
func Options() []Row {
	rows := make([]Row, C.GW_OPTION_COUNT)
	for i := range rows {
		rows[i] = rowOf(C.option_row(C.int(i)))
	}
	return rows
}

// TableHash differs whenever one of the tables does; gowsgi_table_hash() of C gives the same number.
func TableHash() uint64 {
	return uint64(C.gowsgi_table_hash())
}
