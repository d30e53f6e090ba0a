# scan/reset.c: of a scan for what is not dirty, the dirty pages behind the last region are forgotten
s/return error || from == scan->position ? error : restore_part(.*/return error;/
