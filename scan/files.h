/* The descriptors a reset needs: this process's pagemap and maps, and /dev/zero. */
#ifndef SCAN_FILES_H
#define SCAN_FILES_H

struct scan_files {
    int pagemap; /* /proc/self/pagemap; -1 when it cannot be had */
    int maps;    /* /proc/self/maps; -1 likewise */
    int zero;    /* /dev/zero, source of the restore that cannot fault; -1 likewise */
};

/* Opens all three, close-on-exec, at high numbers, where a program that counts on the lowest free number
   does not meet them. A descriptor shows the memory of the process that opened it: a fork child opens its
   own. Returns 0, or the negative errno of pagemap's or maps' open (both are then -1). Signal-safe. */
int scan_files_open(struct scan_files *files);

/* Closes what is open and sets all to -1. Signal-safe. */
void scan_files_close(struct scan_files *files);

/* Opens a file for reading as described above. Returns its descriptor or a negative errno. Signal-safe. */
int scan_file_open(const char *path);

/* Moves a descriptor to a high, close-on-exec number and closes the old one. Returns the new number, or fd
   itself when there is no room. Signal-safe. */
int scan_file_raise(int fd);

#endif
