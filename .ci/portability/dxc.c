// Compiles HLSL with DXC as a shared library of Linux, with arguments as wgpu gives them:
//   dxc LIBDXCOMPILER.so LIST ARGUMENT...
// LIST has a path a line. Prints a line a file: OK or BAD, path, milliseconds, what the compiler said.
// DXC's headers are C++; its COM interfaces are tables of functions, written out here as far as they are called.
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wchar.h>

typedef struct {
    uint32_t a;
    uint16_t b, c;
    uint8_t d[8];
} Guid;
static const Guid DXC_COMPILER = {0x73e22d93, 0xe6ce, 0x47f3, {0xb5, 0xbf, 0xf0, 0x66, 0x4f, 0x39, 0xc1, 0xb0}};
static const Guid COMPILER3 = {0x228b4687, 0x5a6a, 0x4730, {0x90, 0x0c, 0x97, 0x02, 0xb2, 0x20, 0x3f, 0x54}};
static const Guid RESULT = {0x58346cda, 0xdde7, 0x4497, {0x94, 0x61, 0x6f, 0x87, 0xaf, 0x5e, 0x06, 0x59}};

typedef struct {
    const void *bytes;
    size_t size;
    uint32_t encoding;
} Buffer;
enum { UTF8 = 65001 };

typedef struct Object Object;
typedef uint32_t (*Release)(Object *);
struct Object {
    void **methods;
};
// Which method of each interface is which; the first three are IUnknown's.
enum { RELEASE = 2, COMPILER_COMPILE = 3, RESULT_STATUS = 3, RESULT_ERRORS = 5, BLOB_BYTES = 3, BLOB_SIZE = 4 };
typedef int32_t (*Create)(const Guid *, const Guid *, Object **);
typedef int32_t (*Compile)(Object *, const Buffer *, const wchar_t **, uint32_t, void *, const Guid *, Object **);
typedef int32_t (*Status)(Object *, int32_t *);
typedef int32_t (*Errors)(Object *, Object **);
typedef const char *(*Bytes)(Object *);
typedef size_t (*Size)(Object *);
#define METHOD(object, index, type) ((type)(object)->methods[index])

static void release(Object *object) {
    if (object) METHOD(object, RELEASE, Release)(object);
}

static char *read_file(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    if (!file) return NULL;
    fseek(file, 0, SEEK_END);
    *size = ftell(file);
    rewind(file);
    char *text = malloc(*size + 1);
    *size = fread(text, 1, *size, file);
    fclose(file);
    return text;
}

static long milliseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int main(int count, char **values) {
    if (count < 3) {
        fputs("dxc LIBDXCOMPILER.so LIST ARGUMENT...\n", stderr);
        return 2;
    }
    void *library = dlopen(values[1], RTLD_NOW);
    Create create = library ? (Create)dlsym(library, "DxcCreateInstance") : NULL;
    Object *compiler = NULL;
    if (!create || create(&DXC_COMPILER, &COMPILER3, &compiler) < 0) {
        fprintf(stderr, "cannot use %s: %s\n", values[1], library ? "it has no IDxcCompiler3" : dlerror());
        return 2;
    }
    const wchar_t **arguments = calloc(count, sizeof *arguments);
    for (int i = 3; i < count; i++) {
        wchar_t *wide = calloc(strlen(values[i]) + 1, sizeof *wide);
        for (size_t c = 0; values[i][c]; c++) wide[c] = values[i][c];
        arguments[i - 3] = wide;
    }
    FILE *list = fopen(values[2], "r");
    if (!list) return 2;
    char path[1024];
    int bad = 0;
    while (fgets(path, sizeof path, list)) {
        path[strcspn(path, "\n")] = 0;
        size_t size = 0;
        char *text = read_file(path, &size);
        if (!text) {
            bad++;
            printf("BAD\t%s\t0\tcannot be read\n", path);
            continue;
        }
        Buffer buffer = {text, size, UTF8};
        Object *result = NULL, *errors = NULL;
        long start = milliseconds();
        int32_t status = METHOD(compiler, COMPILER_COMPILE, Compile)(compiler, &buffer, arguments, count - 3, NULL, &RESULT, &result);
        if (status >= 0) METHOD(result, RESULT_STATUS, Status)(result, &status);
        long time = milliseconds() - start;
        char message[400] = "";
        if (status < 0 && result && METHOD(result, RESULT_ERRORS, Errors)(result, &errors) >= 0 && errors) {
            snprintf(message, sizeof message, "%.*s", (int)METHOD(errors, BLOB_SIZE, Size)(errors),
                     METHOD(errors, BLOB_BYTES, Bytes)(errors));
        }
        for (char *c = message; *c; c++) *c = *c == '\n' || *c == '\t' ? ' ' : *c;
        printf("%s\t%s\t%ld\t%s\n", status < 0 ? "BAD" : "OK", path, time, message);
        fflush(stdout);
        bad += status < 0;
        release(errors);
        release(result);
        free(text);
    }
    return bad != 0;
}
