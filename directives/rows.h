/* This file holds the rows of directives.def and daemon_options.def as two arrays of gw_row, indexed by their ids. They are
 * static: each side of the ABI includes this in one of its files. Pure C. */
#ifndef GW_ROWS_H
#define GW_ROWS_H

#include <stddef.h>

#include "table.h"

/* The value column. Where a row has no default, the text says what holds then. */
#define GW_V_NONE(text) .unset = text
#define GW_V_ON .num = 1
#define GW_V_OFF .num = 0
#define GW_V_TEXT(text) .str = text
#define GW_V_NUMBER(def, low, high) .num = def, .min = low, .max = high
#define GW_V_RANGE(text, low, high) .unset = text, .min = low, .max = high
#define GW_V_COUNT(text, low, high) .unset = text, .min = low, .max = high
#define GW_V_KEYWORD(index, words) .num = index, .keywords = words
/* Around one of the others: the value is checked, and has no effect. */
#define GW_V_IDLE(value) GW_##value, .idle = 1

#define GW_DIRECTIVE(id, row_name, row_kind, row_where, value, row_syntax, row_help) \
    [GW_##id] = { .name = row_name, .kind = GW_KIND_##row_kind, .where = GW_WHERE_##row_where, GW_##value, \
                  .syntax = row_syntax, .help = row_help },
static const gw_row gw_directive_rows[GW_DIRECTIVE_COUNT] = {
#include "directives.def"
};

#define GW_OPTION(id, row_name, row_kind, value, row_syntax, row_help) \
    [GW_OPT_##id] = { .name = row_name, .kind = GW_KIND_##row_kind, GW_##value, .syntax = row_syntax, .help = row_help },
static const gw_row gw_option_rows[GW_OPTION_COUNT] = {
#include "daemon_options.def"
};

#endif
