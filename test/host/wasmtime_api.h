/* The part of Wasmtime's public C API that wasmtime_pool uses, declared by hand from its documentation, with the layouts of
   release 50.0.1 (the PyPI package `wasmtime`). Everything is looked up in the library at run time. */
#ifndef TEST_HOST_WASMTIME_API_H
#define TEST_HOST_WASMTIME_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct wasm_config wasm_config;
typedef struct wasm_engine wasm_engine;
typedef struct wasm_trap wasm_trap;
typedef struct wasmtime_error wasmtime_error;
typedef struct wasmtime_module wasmtime_module;
typedef struct wasmtime_store wasmtime_store;
typedef struct wasmtime_context wasmtime_context;
typedef struct wasmtime_linker wasmtime_linker;
typedef struct wasmtime_instance_pre wasmtime_instance_pre;
typedef struct wasmtime_call_future wasmtime_call_future;
typedef struct wasmtime_pooling_config wasmtime_pooling_config;

typedef struct {
    size_t size;
    char *data;
} wasm_bytes;

typedef struct {
    uint64_t store_id;
    uintptr_t private;
} wasmtime_instance;

typedef struct {
    uint64_t store_id;
    void *private;
} wasmtime_func;

typedef struct {
    uint8_t kind; /* 0: function */
    union {
        wasmtime_func func;
        uint64_t room[3];
    } of;
} wasmtime_extern;

typedef struct {
    uint8_t kind; /* 0: i32 */
    union {
        int32_t i32;
        uint64_t room[3];
    } of;
} wasmtime_value;

_Static_assert(sizeof(wasmtime_extern) == 32 && sizeof(wasmtime_value) == 32, "as in release 50.0.1");

/* FUNCTION(result, name, parameters) */
#define WASMTIME_FUNCTIONS(FUNCTION)                                                                         \
    FUNCTION(wasm_config *, wasm_config_new, (void))                                                         \
    FUNCTION(wasm_engine *, wasm_engine_new_with_config, (wasm_config *))                                    \
    FUNCTION(void, wasm_engine_delete, (wasm_engine *))                                                      \
    FUNCTION(void, wasm_byte_vec_delete, (wasm_bytes *))                                                     \
    FUNCTION(void, wasm_trap_message, (const wasm_trap *, wasm_bytes *))                                     \
    FUNCTION(void, wasmtime_error_message, (const wasmtime_error *, wasm_bytes *))                           \
    FUNCTION(void, wasmtime_config_async_stack_size_set, (wasm_config *, uint64_t))                          \
    FUNCTION(wasmtime_pooling_config *, wasmtime_pooling_allocation_config_new, (void))                      \
    FUNCTION(void, wasmtime_pooling_allocation_config_delete, (wasmtime_pooling_config *))                   \
    FUNCTION(void, wasmtime_pooling_allocation_config_total_core_instances_set, (wasmtime_pooling_config *, uint32_t)) \
    FUNCTION(void, wasmtime_pooling_allocation_config_total_memories_set, (wasmtime_pooling_config *, uint32_t)) \
    FUNCTION(void, wasmtime_pooling_allocation_config_total_tables_set, (wasmtime_pooling_config *, uint32_t)) \
    FUNCTION(void, wasmtime_pooling_allocation_config_total_stacks_set, (wasmtime_pooling_config *, uint32_t)) \
    FUNCTION(void, wasmtime_pooling_allocation_config_max_memory_size_set, (wasmtime_pooling_config *, size_t)) \
    FUNCTION(void, wasmtime_pooling_allocation_config_linear_memory_keep_resident_set, (wasmtime_pooling_config *, size_t)) \
    FUNCTION(void, wasmtime_pooling_allocation_config_table_keep_resident_set, (wasmtime_pooling_config *, size_t)) \
    FUNCTION(void, wasmtime_pooling_allocation_config_async_stack_keep_resident_set, (wasmtime_pooling_config *, size_t)) \
    FUNCTION(void, wasmtime_pooling_allocation_config_decommit_batch_size_set, (wasmtime_pooling_config *, size_t)) \
    FUNCTION(void, wasmtime_pooling_allocation_strategy_set, (wasm_config *, const wasmtime_pooling_config *)) \
    FUNCTION(wasmtime_error *, wasmtime_wat2wasm, (const char *, size_t, wasm_bytes *))                      \
    FUNCTION(wasmtime_error *, wasmtime_module_new, (wasm_engine *, const uint8_t *, size_t, wasmtime_module **)) \
    FUNCTION(void, wasmtime_module_delete, (wasmtime_module *))                                              \
    FUNCTION(wasmtime_linker *, wasmtime_linker_new, (wasm_engine *))                                        \
    FUNCTION(void, wasmtime_linker_delete, (wasmtime_linker *))                                              \
    FUNCTION(wasmtime_error *, wasmtime_linker_instantiate_pre, (const wasmtime_linker *, const wasmtime_module *, wasmtime_instance_pre **)) \
    FUNCTION(void, wasmtime_instance_pre_delete, (wasmtime_instance_pre *))                                  \
    FUNCTION(wasmtime_store *, wasmtime_store_new, (wasm_engine *, void *, void (*)(void *)))                \
    FUNCTION(wasmtime_context *, wasmtime_store_context, (wasmtime_store *))                                 \
    FUNCTION(void, wasmtime_store_delete, (wasmtime_store *))                                                \
    FUNCTION(wasmtime_error *, wasmtime_instance_pre_instantiate, (const wasmtime_instance_pre *, wasmtime_context *, wasmtime_instance *, wasm_trap **)) \
    FUNCTION(wasmtime_call_future *, wasmtime_instance_pre_instantiate_async, (const wasmtime_instance_pre *, wasmtime_context *, wasmtime_instance *, wasm_trap **, wasmtime_error **)) \
    FUNCTION(bool, wasmtime_instance_export_get, (wasmtime_context *, const wasmtime_instance *, const char *, size_t, wasmtime_extern *)) \
    FUNCTION(wasmtime_error *, wasmtime_func_call, (wasmtime_context *, const wasmtime_func *, const wasmtime_value *, size_t, wasmtime_value *, size_t, wasm_trap **)) \
    FUNCTION(wasmtime_call_future *, wasmtime_func_call_async, (wasmtime_context *, const wasmtime_func *, const wasmtime_value *, size_t, wasmtime_value *, size_t, wasm_trap **, wasmtime_error **)) \
    FUNCTION(bool, wasmtime_call_future_poll, (wasmtime_call_future *))                                      \
    FUNCTION(void, wasmtime_call_future_delete, (wasmtime_call_future *))

/* All of them, by name: api.wasmtime_store_new(...). */
struct wasmtime_api {
#define FUNCTION(result, name, parameters) result(*name) parameters;
    WASMTIME_FUNCTIONS(FUNCTION)
#undef FUNCTION
};

#endif
