/* This file declares how a word of the configuration becomes a value, by the kind of its row. */
#ifndef GW_VALUE_H
#define GW_VALUE_H

#include "gw_config.h"

/* The rows of both tables, indexed by their ids. */
extern const gw_row *const gw_directives;
extern const gw_row *const gw_options;

/* Reads word as a value of the row into *out, which is only changed when that works; a repeatable kind adds to what out
 * holds. Everything is allocated from p. Returns NULL, or what is wrong with the word, to be put after it:
 * "not a whole number from 0 to 2". */
const char *gw_value_read(apr_pool_t *p, const gw_row *row, const char *word, gw_value *out);

/* Reads one name of a list of process groups (GW_KIND_NAMES): out is "" for %{GLOBAL}. Returns as gw_value_read(). */
const char *gw_value_group_name(const char *word, const char **out);

/* What is wrong with a template that may use the variables in allowed (GW_TEMPLATE_*), or NULL. */
const char *gw_value_template(apr_pool_t *p, const char *word, int allowed);

/* On or Off in any case: sets *out to 1 or 0. Returns as gw_value_read(). */
const char *gw_value_flag(const char *word, long *out);

/* Whether a word can be the name of a daemon process group. Returns as gw_value_read(). */
const char *gw_value_daemon_name(const char *word);

#endif
