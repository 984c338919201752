// This file renders README.md's reference out of the tables.

package directives

import "strings"

// DirectiveReference is the Markdown table of all directives.
func DirectiveReference() string {
	var b strings.Builder
	b.WriteString("| Directive | Default | Context | Meaning |\n| --- | --- | --- | --- |\n")
	for _, row := range All() {
		context := strings.Join(row.Where.Contexts(), ", ")
		if override := row.Where.Override(); override != "" {
			context += " (" + override + ")"
		}
		writeCells(&b, code(row.Name+" "+row.Syntax), defaultCell(row), context, prose(row.Help))
	}
	return b.String()
}

// OptionReference is the Markdown table of the options of WSGIDaemonProcess.
func OptionReference() string {
	var b strings.Builder
	b.WriteString("| Option | Default | Meaning |\n| --- | --- | --- |\n")
	for _, row := range Options() {
		writeCells(&b, code(row.Name+"="+row.Syntax), defaultCell(row), prose(row.Help))
	}
	return b.String()
}

func writeCells(b *strings.Builder, cells ...string) {
	b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
}

func defaultCell(row Row) string {
	if row.Unset != "" {
		return prose(row.Unset)
	}
	return code(row.Default())
}

// code is text as code in a table's cell, where '|' must be escaped even in code.
func code(text string) string {
	return "`" + strings.ReplaceAll(text, "|", `\|`) + "`"
}

func prose(text string) string {
	return strings.NewReplacer("|", `\|`, "*", `\*`, "_", `\_`).Replace(text)
}
