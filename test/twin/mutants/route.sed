# shim/mappings.c: an inline mapping call, or one by syscall(), ends nothing that is remembered
# operations: 1000000
s/^    mapping_touching(number, arguments);/    (void)0;/
s/if ((number == SYS_mmap || number == SYS_mremap) && !prim_failed(result))/if (false)/
