/*
 * The files of src/dashboard, as they are.  The assembler finds them by the
 * include path that config gives.
 */

#define ASSET(name, file)                                                    \
    .globl ngx_http_async_asset_##name;                                      \
    .globl ngx_http_async_asset_##name##_end;                                \
    .hidden ngx_http_async_asset_##name;                                     \
    .hidden ngx_http_async_asset_##name##_end;                               \
    ngx_http_async_asset_##name:                                             \
    .incbin file;                                                            \
    ngx_http_async_asset_##name##_end:                                       \
    .byte 0

    .section .rodata

    ASSET(page, "index.html")
    ASSET(script, "dashboard.js")
    ASSET(style, "dashboard.css")
    ASSET(icon, "icon.svg")

    /* no code here wants an executable stack */
    .section .note.GNU-stack, "", %progbits
