/* This file computes a number that differs whenever directives.def or daemon_options.def do: mod_gowsgi.so and libgowsgi-X.Y.so
 * compare theirs before they work together. Pure C. */
#ifndef GW_TABLE_HASH_H
#define GW_TABLE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* FNV-1a over the text of all rows. White space between columns does not count, comments neither. */
static inline uint64_t gowsgi_table_hash(void)
{
#define GW_DIRECTIVE(...) #__VA_ARGS__ "\n"
#define GW_OPTION(...) #__VA_ARGS__ "\n"
    static const char rows[] =
#include "directives.def"
        "\n"
#include "daemon_options.def"
        ;
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i + 1 < sizeof rows; i++) {
        hash ^= (unsigned char)rows[i];
        hash *= UINT64_C(0x100000001b3);
    }
    return hash;
}

#endif
