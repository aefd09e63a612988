// SPDX-License-Identifier: MIT
// Text for a sink. Names from targets and files are hostile: each sink has its escape.
#ifndef OP_BASE_TEXT_H
#define OP_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/buffer.h"

// Decodes one code point of UTF-8 at *at and moves *at; malformed bytes give U+FFFD, one byte at a time.
uint32_t op_utf8_next(const char **at, const char *end);
void op_utf8_add(op_buffer *buffer, uint32_t code_point);   // surrogates and > U+10FFFF become U+FFFD
// True for C0/C1 controls, DEL, bidi marks and overrides (U+061C, U+200E/F, U+202A-E, U+2066-9), line and
// paragraph separators, zero-width characters, tags and BOM: what may not reach a terminal.
bool op_code_point_is_unsafe(uint32_t code_point);

// Each adds `text` to the buffer as its sink needs it; malformed bytes become U+FFFD.
// Terminal: unsafe ones as \xNN, \uNNNN or \UNNNNNNNN.
void op_text_add_terminal(op_buffer *buffer, const char *text, size_t bytes);
// XML text and attribute values. What XML cannot hold, and other unsafe ones, become U+FFFD.
void op_text_add_xml(op_buffer *buffer, const char *text, size_t bytes);
// With the quotes; always valid UTF-8; holds no "</", "<!--" or "]]>", so that it may stand in a script element.
void op_text_add_json(op_buffer *buffer, const char *text, size_t bytes);
// ';' -> ':', unsafe and newline -> '?'.
void op_text_add_collapsed(op_buffer *buffer, const char *text, size_t bytes);
// Terminal columns of `text` as op_text_add_terminal writes it (wide East Asian characters take 2, combining
// marks 0).
size_t op_text_columns(const char *text, size_t bytes);

#endif
