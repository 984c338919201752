/* This file reads the words of the configuration, strictly: what is not wholly understood is refused, in a sentence that
 * says what would be right. */
#include "gw_value.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>

#include "apr_lib.h"
#include "apr_strings.h"
#include "httpd.h"

#include "../directives/expand.h"
#include "../directives/rows.h"
#include "gw_python.h"

const gw_row *const gw_directives = gw_directive_rows;
const gw_row *const gw_options = gw_option_rows;

const char *gw_value_flag(const char *word, long *out)
{
    if (strcasecmp(word, "On") == 0)
        *out = 1;
    else if (strcasecmp(word, "Off") == 0)
        *out = 0;
    else
        return "neither On nor Off";
    return NULL;
}

/* The reason is in the row's help. */
static const char *read_off(apr_pool_t *p, const gw_row *row, const char *word, gw_value *out)
{
    const char *fault = gw_value_flag(word, &out->num);

    return !fault && out->num ? apr_psprintf(p, "only Off is possible%s", strchr(row->help, ':')) : fault;
}

/* Digits of the base and nothing else, up to LONG_MAX. */
static int read_digits(const char *word, int base, long *out)
{
    char *end;

    if (word[0] == '\0' || word[strspn(word, base == 8 ? "01234567" : "0123456789")] != '\0')
        return 0;
    errno = 0;
    *out = strtol(word, &end, base);
    return errno == 0;
}

static const char *read_number(apr_pool_t *p, const gw_row *row, const char *word, gw_value *out)
{
    long num;
    int zero = row->kind == GW_KIND_NUMBER_OR_0, negative = row->min < 0 && word[0] == '-';

    if (negative)
        word++;
    if (!read_digits(word, 10, &num))
        num = LONG_MIN; /* below any row's */
    else if (negative)
        num = -num;
    if (num == LONG_MIN || num > row->max || (num < row->min && !(zero && num == 0)))
        return apr_psprintf(p, "not %sa whole number from %ld to %ld", zero ? "0 or " : "", row->min, row->max);
    out->num = num;
    return NULL;
}

/* Microseconds out of seconds with up to six decimals. */
static int read_microseconds(apr_pool_t *p, const char *word, long *out)
{
    size_t whole = strcspn(word, "."), decimals = word[whole] ? strlen(word + whole + 1) : 0;
    long seconds, part = 0;

    if (!read_digits(apr_pstrmemdup(p, word, whole), 10, &seconds) || seconds > LONG_MAX / 1000000 - 1 || decimals > 6
        || (word[whole] && !read_digits(word + whole + 1, 10, &part)))
        return 0;
    for (; decimals < 6; decimals++)
        part *= 10;
    *out = seconds * 1000000 + part;
    return 1;
}

static const char *read_seconds(apr_pool_t *p, const gw_row *row, const char *word, gw_value *out)
{
    long num;

    if (!read_microseconds(p, word, &num) || num < row->min || num > row->max)
        return apr_psprintf(p, "not a number of seconds from %ld.%06ld to %ld", row->min / 1000000, row->min % 1000000,
                            row->max / 1000000);
    out->num = num;
    return NULL;
}

static const char *read_seed(apr_pool_t *p, const gw_row *row, const char *word, gw_value *out)
{
    long num;

    if (strcmp(word, "random") != 0 && (!read_digits(word, 10, &num) || num < row->min || num > row->max))
        return apr_psprintf(p, "neither 'random' nor a whole number from %ld to %ld", row->min, row->max);
    out->str = apr_pstrdup(p, word);
    return NULL;
}

static const char *read_octal(apr_pool_t *p, const gw_row *row, const char *word, gw_value *out)
{
    long num;

    if (!read_digits(word, 8, &num) || num < row->min || num > row->max)
        return apr_psprintf(p, "not an octal number from %#lo to %#lo", row->min, row->max);
    out->num = num;
    return NULL;
}

static const char *read_keyword(apr_pool_t *p, const gw_row *row, const char *word, gw_value *out)
{
    size_t len = strlen(word);
    const char *k = row->keywords;

    for (long index = 0; k; index++) {
        size_t n = strcspn(k, "|");
        if (n == len && strncasecmp(k, word, n) == 0) {
            out->num = index;
            return NULL;
        }
        k = k[n] ? k + n + 1 : NULL;
    }
    return apr_psprintf(p, "not one of %s", row->keywords);
}

static const char *read_mutex(apr_pool_t *p, const gw_row *row, const char *word, gw_value *out)
{
    static const int available[] = {
        [GW_MUTEX_DEFAULT] = 1,
        [GW_MUTEX_FLOCK] = APR_HAS_FLOCK_SERIALIZE,
        [GW_MUTEX_FCNTL] = APR_HAS_FCNTL_SERIALIZE,
        [GW_MUTEX_SYSVSEM] = APR_HAS_SYSVSEM_SERIALIZE,
        [GW_MUTEX_POSIXSEM] = APR_HAS_POSIXSEM_SERIALIZE,
        [GW_MUTEX_PTHREAD] = APR_HAS_PROC_PTHREAD_SERIALIZE,
    };
    gw_value read = *out;
    const char *fault = read_keyword(p, row, word, &read);

    if (fault)
        return fault;
    if (!available[read.num])
        return "a method that APR does not have on this platform";
    *out = read;
    return NULL;
}

static const char *read_text(apr_pool_t *p, const char *word, gw_value *out)
{
    for (const char *s = word; *s; s++) {
        if (apr_iscntrl(*s))
            return "not printable text";
    }
    out->str = apr_pstrdup(p, word);
    return NULL;
}

const char *gw_value_template(apr_pool_t *p, const char *word, int allowed)
{
    switch (gw_template_check(word, allowed)) {
    case GW_TEMPLATE_GOOD:
        return NULL;
    case GW_TEMPLATE_NAMELESS:
        return "a variable's name is missing after %{ENV:";
    case GW_TEMPLATE_PARTIAL:
        return "%{...} can only be the whole value";
    case GW_TEMPLATE_UNKNOWN:
    default:
        if (strcmp(word, "%{HOST}") == 0 && allowed & GW_TEMPLATE_SERVER)
            return "not a variable here: a client would choose the name by its Host header; %{SERVER} is the name that the "
                   "configuration has";
        return apr_pstrcat(p, "not a variable that is known here; these are: ",
                           allowed & GW_TEMPLATE_GLOBAL ? "%{GLOBAL} " : "",
                           allowed & GW_TEMPLATE_SERVER ? "%{SERVER} " : "",
                           allowed & GW_TEMPLATE_RESOURCE ? "%{RESOURCE} " : "",
                           allowed & GW_TEMPLATE_ENV ? "%{ENV:variable}" : "", NULL);
    }
}

static const char *read_group(apr_pool_t *p, const char *word, gw_value *out)
{
    const char *fault = gw_value_template(p, word, GW_TEMPLATE_GLOBAL | GW_TEMPLATE_SERVER | GW_TEMPLATE_RESOURCE
                                                       | GW_TEMPLATE_ENV);
    return fault ? fault : read_text(p, word, out);
}

/* Python also takes letters outside ASCII; which ones is left to Python. */
static const char *read_callable(apr_pool_t *p, const char *word, gw_value *out)
{
    const char *fault = gw_value_template(p, word, GW_TEMPLATE_ENV);

    if (fault)
        return fault;
    for (const char *s = strncmp(word, "%{", 2) == 0 ? "" : word; *s; s++) {
        if (*s == '.')
            return "a dotted path, where the name of a global object of the script is expected";
        if (!apr_isalnum(*s) && *s != '_' && !((unsigned char)*s & 0x80))
            return "not a Python name";
    }
    if (apr_isdigit(word[0]))
        return "not a Python name";
    out->str = apr_pstrdup(p, word);
    return NULL;
}

static const char *read_path(apr_pool_t *p, const char *word, gw_value *out)
{
    if (word[0] != '/')
        return "not an absolute path";
    return read_text(p, word, out);
}

static const char *read_paths(apr_pool_t *p, const gw_row *row, const char *word, gw_value *out)
{
    long count = 0;
    const char *s = word;

    while (s) {
        size_t n = strcspn(s, ":");
        if (n == 0)
            return "a path is missing before or after ':'";
        if (s[0] != '/')
            return apr_psprintf(p, "'%.*s' is not an absolute path", (int)n, s);
        count++;
        s = s[n] ? s + n + 1 : NULL;
    }
    if (count > row->max)
        return apr_psprintf(p, "more than %ld paths", row->max);
    return read_text(p, word, out);
}

static const char *read_prefix(apr_pool_t *p, const char *word, gw_value *out)
{
    const char *path = ap_server_root_relative(p, word);

    if (!path)
        return "not a usable path";
    return read_text(p, path, out);
}

/* A number after '#', as user=#1000 has it. */
static int read_id(const char *word, long *out)
{
    return word[0] == '#' && read_digits(word + 1, 10, out) && *out < (long)UINT32_MAX;
}

static const char *find_user(apr_pool_t *p, const char *word, gw_value *out)
{
    struct passwd *entry;
    long uid;

    if (word[0] == '#') {
        if (!read_id(word, &uid))
            return "not a number after '#'";
        entry = getpwuid((uid_t)uid);
    } else {
        entry = getpwnam(word);
        if (!entry)
            return "no such user";
        uid = (long)entry->pw_uid;
    }
    out->num = uid;
    out->str = entry ? apr_pstrdup(p, entry->pw_name) : NULL;
    return NULL;
}

static const char *read_user(apr_pool_t *p, const char *word, gw_value *out)
{
    const char *fault = find_user(p, word, out);

    return !fault && out->num == 0 ? "root, and applications are not run as root" : fault;
}

static const char *read_owner(apr_pool_t *p, const char *word, gw_value *out)
{
    const char *fault = find_user(p, word, out);

    return fault ? fault : read_text(p, word, out);
}

static const char *read_gid(const char *word, long *gid)
{
    struct group *entry;

    if (word[0] == '#')
        return read_id(word, gid) ? NULL : "not a number after '#'";
    entry = getgrnam(word);
    if (!entry)
        return "no such group";
    *gid = (long)entry->gr_gid;
    return NULL;
}

static const char *read_unix_groups(apr_pool_t *p, const char *word, gw_value *out)
{
    apr_array_header_t *gids = apr_array_make(p, 4, sizeof(gid_t));
    const char *s = word;

    while (s) {
        size_t n = strcspn(s, ",");
        const char *name = apr_pstrmemdup(p, s, n);
        long gid;
        const char *fault = n ? read_gid(name, &gid) : "empty";
        if (fault)
            return apr_psprintf(p, "'%s': %s", name, fault);
        APR_ARRAY_PUSH(gids, gid_t) = (gid_t)gid;
        s = s[n] ? s + n + 1 : NULL;
    }
    out->ptr = gids;
    out->str = apr_pstrdup(p, word);
    return NULL;
}

static const char *read_env(apr_pool_t *p, const char *word, gw_value *out)
{
    const char *equals = strchr(word, '=');
    gw_value text = { 0 };
    const char *fault;

    if (!equals || equals == word)
        return "not NAME=value";
    for (const char *s = word; s < equals; s++) {
        if (!apr_isalnum(*s) && *s != '_')
            return "not NAME=value: a name has letters, digits and '_'";
    }
    if (apr_isdigit(word[0]))
        return "not NAME=value: a name does not begin with a digit";
    fault = read_text(p, word, &text);
    if (fault)
        return fault;
    if (!out->ptr)
        out->ptr = apr_array_make(p, 4, sizeof(const char *));
    APR_ARRAY_PUSH((apr_array_header_t *)out->ptr, const char *) = text.str;
    return NULL;
}

const char *gw_value_daemon_name(const char *word)
{
    size_t len = strlen(word);

    if (len == 0)
        return "empty";
    if (len > 255)
        return "longer than 255 characters";
    if (strchr(word, '='))
        return "not a name but an option; the name of the process group comes first";
    for (const char *s = word; *s; s++) {
        if (*s == '%' || apr_isspace(*s) || apr_iscntrl(*s))
            return "not a name: it has a space, a '%' or a control character";
    }
    return NULL;
}

const char *gw_value_group_name(const char *word, const char **out)
{
    if (strcmp(word, "%{GLOBAL}") == 0) {
        *out = "";
        return NULL;
    }
    *out = word;
    return gw_value_daemon_name(word);
}

/* Python ignores a filter that it does not understand, with a line on stderr that few will see. */
static const char *read_warning(apr_pool_t *p, const char *word, gw_value *out)
{
    static const char *const actions[] = { "default", "error", "always", "module", "once", "ignore", "all" };
    size_t len = strcspn(word, ":"), fields = 1, i = 0;
    gw_value text = { 0 };
    const char *fault = read_text(p, word, &text);

    for (const char *s = word; *s; s++)
        fields += *s == ':';
    while (i < sizeof actions / sizeof *actions && strncmp(actions[i], word, len) != 0) /* Python takes their begin, too */
        i++;
    if (fault)
        return fault;
    if (strchr(word, ','))
        return "a comma; each filter has a directive of its own";
    if (i == sizeof actions / sizeof *actions)
        return "its action is none of default, error, always, module, once and ignore";
    if (fields > 5)
        return "more than action:message:category:module:line";
    out->str = out->str ? apr_pstrcat(p, out->str, "\n", text.str, NULL) : text.str;
    return NULL;
}

/* The kinds that are one word; the others have setters of their own. */
static const char *read_by_kind(apr_pool_t *p, const gw_row *row, const char *word, gw_value *out)
{
    switch (row->kind) {
    case GW_KIND_FLAG: return gw_value_flag(word, &out->num);
    case GW_KIND_OFF: return read_off(p, row, word, out);
    case GW_KIND_NUMBER:
    case GW_KIND_NUMBER_OR_0: return read_number(p, row, word, out);
    case GW_KIND_SECONDS: return read_seconds(p, row, word, out);
    case GW_KIND_SEED: return read_seed(p, row, word, out);
    case GW_KIND_WARNINGS: return read_warning(p, word, out);
    case GW_KIND_OCTAL: return read_octal(p, row, word, out);
    case GW_KIND_KEYWORD: return read_keyword(p, row, word, out);
    case GW_KIND_MUTEX: return read_mutex(p, row, word, out);
    case GW_KIND_TEXT: return read_text(p, word, out);
    case GW_KIND_GROUP: return read_group(p, word, out);
    case GW_KIND_CALLABLE: return read_callable(p, word, out);
    case GW_KIND_PATH: return read_path(p, word, out);
    case GW_KIND_PATHS: return read_paths(p, row, word, out);
    case GW_KIND_PYTHON: return gw_python_read(p, word, out);
    case GW_KIND_PREFIX: return read_prefix(p, word, out);
    case GW_KIND_USER: return read_user(p, word, out);
    case GW_KIND_OWNER: return read_owner(p, word, out);
    case GW_KIND_UNIX_GROUP: {
        const char *fault = read_gid(word, &out->num);
        return fault ? fault : read_text(p, word, out);
    }
    case GW_KIND_UNIX_GROUPS: return read_unix_groups(p, word, out);
    case GW_KIND_ENV: return read_env(p, word, out);
    default: return "a kind of value that is not one word";
    }
}

const char *gw_value_read(apr_pool_t *p, const gw_row *row, const char *word, gw_value *out)
{
    gw_value read = *out;
    const char *fault = word[0] ? read_by_kind(p, row, word, &read) : "empty";

    if (fault)
        return fault;
    read.set = 1;
    *out = read;
    return NULL;
}
