/* This file looks whether a library is there to its end, and of the same build. */
#include "gw_library.h"

#include <inttypes.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "../directives/table_hash.h"

/* Whether the table of the library's parts, or a part that is mapped, reaches beyond the file's size. */
static int reaches_beyond(FILE *file, const ElfW(Ehdr) *head, uint64_t size)
{
    ElfW(Phdr) part;

    if (fseek(file, (long)head->e_phoff, SEEK_SET) != 0)
        return 0;
    for (unsigned i = 0; i < head->e_phnum; i++)
        if (fread(&part, sizeof part, 1, file) != 1 || (part.p_type == PT_LOAD && part.p_offset + part.p_filesz > size))
            return 1;
    return 0;
}

int gw_library_is_cut_off(const char *path)
{
    FILE *file = fopen(path, "re");
    struct stat st;
    ElfW(Ehdr) head;
    int cut_off;

    if (!file)
        return 0;
    cut_off = fstat(fileno(file), &st) == 0 && fread(&head, sizeof head, 1, file) == 1
              && memcmp(head.e_ident, ELFMAG, SELFMAG) == 0 && reaches_beyond(file, &head, (uint64_t)st.st_size);
    fclose(file);
    return cut_off;
}

const char *gw_library_difference(const gowsgi_abi_info *info, const char *python)
{
    static char text[512];

    if (info->abi_version != GOWSGI_ABI_VERSION)
        snprintf(text, sizeof text, "it speaks interface %d (mod_gowsgi %s) and mod_gowsgi.so interface %d (mod_gowsgi %s)",
                 info->abi_version, info->version, GOWSGI_ABI_VERSION, GOWSGI_VERSION);
    else if (strcmp(info->python, python) != 0)
        snprintf(text, sizeof text, "it was built for Python %s and its name says %s", info->python, python);
    else if (info->host_size != sizeof(gowsgi_host) || info->request_size != sizeof(gowsgi_request)
             || info->hook_size != sizeof(gowsgi_hook) || info->config_size != sizeof(gowsgi_process_config))
        snprintf(text, sizeof text, "its records have another size (host %zu, request %zu, hook %zu, config %zu) than those of "
                 "mod_gowsgi.so (%zu, %zu, %zu, %zu)", info->host_size, info->request_size, info->hook_size, info->config_size,
                 sizeof(gowsgi_host), sizeof(gowsgi_request), sizeof(gowsgi_hook), sizeof(gowsgi_process_config));
    else if (info->table_hash != gowsgi_table_hash())
        snprintf(text, sizeof text, "its table of directives (mod_gowsgi %s, %016" PRIx64 ") is not that of mod_gowsgi.so "
                 "(mod_gowsgi %s, %016" PRIx64 ")", info->version, info->table_hash, GOWSGI_VERSION, gowsgi_table_hash());
    else
        return NULL;
    return text;
}
