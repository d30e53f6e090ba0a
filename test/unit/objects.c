/* This process's own objects, as /proc and the loader show them, against their files and against other files.
 */
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hooks/objects.h"
#include "hooks/site_finder.h"

static struct object *find(struct objects *objects, const void *address)
{
    for (size_t i = 0; i < objects->count; i++)
        if (objects->object[i].start <= (uintptr_t)address && (uintptr_t)address < objects->object[i].end)
            return &objects->object[i];
    return NULL;
}

Test(objects, lists_what_is_loaded)
{
    struct objects objects;
    char exe[4096] = "";
    cr_assert_gt(readlink("/proc/self/exe", exe, sizeof exe - 1), 0);
    cr_assert_eq(objects_list(&objects), 0);
    cr_assert_str_eq(objects.object[0].path, exe);
    cr_assert(objects.object[0].is_exe && objects.object[0].listed);
    struct object *libc = find(&objects, dlsym(RTLD_DEFAULT, "strtoull"));
    cr_assert_not_null(libc);
    cr_assert(libc->listed && !libc->is_exe);
    cr_assert_not_null(strstr(libc->path, "libc.so.6"));
    objects_free(&objects);
}

Test(objects, opens_only_the_file_that_is_mapped)
{
    struct objects objects;
    struct elf_file file;
    cr_assert_eq(objects_list(&objects), 0);
    for (size_t i = 0; i < objects.count; i++) {
        cr_assert_eq(object_open(&objects.object[i], &file), SITE_patchable, "%s", objects.object[i].path);
        elf_file_close(&file);
    }
    struct object *libc = find(&objects, dlsym(RTLD_DEFAULT, "strtoull")), other = objects.object[0];
    other.path = libc->path; /* another file in its place */
    cr_expect_eq(object_open(&other, &file), SITE_replaced);
    other.inode = libc->inode;
    cr_expect_eq(object_open(&other, &file), SITE_replaced, "its content differs all the same");
    other.path = (char *)"/proc/self/exe (deleted)";
    cr_expect_eq(object_open(&other, &file), SITE_replaced);
    other.path = (char *)"/no/such/file";
    cr_expect_eq(object_open(&other, &file), SITE_unreadable);
    other.path = (char *)"/dev/null";
    cr_expect_eq(object_open(&other, &file), SITE_unreadable);
    other.path = (char *)"/etc/passwd";
    cr_expect_eq(object_open(&other, &file), SITE_unreadable);
    objects_free(&objects);
}

Test(objects, counts_loads)
{
    uint64_t before = objects_loads();
    struct objects objects;
    cr_assert_eq(objects_list(&objects), 0);
    cr_expect_eq(objects.loads, before);
    objects_free(&objects);
    void *library = dlmopen(LM_ID_NEWLM, "libelf.so.1", RTLD_NOW);
    cr_assert_not_null(library);
    cr_expect_gt(objects_loads(), before);
    cr_assert_eq(objects_list(&objects), 0);
    struct object *elf = find(&objects, dlsym(library, "elf_begin"));
    cr_assert_not_null(elf);
    cr_expect_not(elf->listed, "another namespace's");
    struct elf_file file;
    cr_assert_eq(object_open(elf, &file), SITE_patchable);
    uint64_t address;
    cr_assert(elf_defines(&file, "elf_begin", &address));
    cr_expect_eq(address + elf->bias, (uintptr_t)dlsym(library, "elf_begin"));
    elf_file_close(&file);
    objects_free(&objects);
}

Test(objects, reads_memory_without_a_fault)
{
    char text[] = "here", copy[sizeof text] = "";
    cr_assert(memory_read((uintptr_t)text, copy, sizeof text));
    cr_expect_str_eq(copy, "here");
    cr_expect_not(memory_read(4096, copy, 1));
}
