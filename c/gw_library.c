/* This file looks whether a shared library is there to its end. */
#include "gw_library.h"

#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

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
