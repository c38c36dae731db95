// Compiles HLSL with Microsoft's FXC, as wgpu calls it (strict, optimised). Built with mingw, run under Wine:
//   fxc.exe D3DCOMPILER.DLL PROFILE LIST [od] [asm]
// LIST has a path a line. Prints a line a file: OK or BAD, path, milliseconds, first line of what the compiler said.
// With `od` FXC does not optimise; with `asm` the assembly of each file is written beside it as PATH.asm, the bytes as PATH.dxbc.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

typedef struct Blob Blob;
// ID3D10Blob; d3dcommon.h needs C++ helpers that mingw's C headers lack.
typedef struct {
    HRESULT(WINAPI *query)(Blob *, void *, void **);
    ULONG(WINAPI *add_ref)(Blob *);
    ULONG(WINAPI *release)(Blob *);
    void *(WINAPI *bytes)(Blob *);
    SIZE_T(WINAPI *size)(Blob *);
} BlobMethods;
struct Blob {
    BlobMethods *methods;
};

typedef HRESULT(WINAPI *Compile)(const void *, SIZE_T, const char *, void *, void *, const char *, const char *, UINT, UINT, Blob **,
                                 Blob **);
typedef HRESULT(WINAPI *Disassemble)(const void *, SIZE_T, UINT, const char *, Blob **);

enum { SKIP_OPTIMIZATION = 1 << 2, ENABLE_STRICTNESS = 1 << 11 };

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

static void write_beside(const char *path, const char *extension, Blob *blob, size_t cut) {
    char name[1100];
    snprintf(name, sizeof name, "%s.%s", path, extension);
    FILE *file = fopen(name, "wb");
    if (!file) return;
    fwrite(blob->methods->bytes(blob), 1, blob->methods->size(blob) - cut, file);
    fclose(file);
}

int main(int count, char **arguments) {
    if (count < 4) {
        puts("fxc.exe D3DCOMPILER.DLL PROFILE LIST [od] [asm]");
        return 2;
    }
    UINT flags = ENABLE_STRICTNESS;
    int assembly = 0;
    for (int i = 4; i < count; i++) {
        if (!strcmp(arguments[i], "od")) flags |= SKIP_OPTIMIZATION;
        if (!strcmp(arguments[i], "asm")) assembly = 1;
    }
    HMODULE library = LoadLibraryA(arguments[1]);
    if (!library) {
        printf("cannot load %s: error %lu\n", arguments[1], GetLastError());
        return 2;
    }
    Compile compile = (Compile)(void *)GetProcAddress(library, "D3DCompile");
    Disassemble disassemble = (Disassemble)(void *)GetProcAddress(library, "D3DDisassemble");
    FILE *list = fopen(arguments[3], "r");
    if (!compile || !list) return 2;
    char path[1024];
    int bad = 0;
    while (fgets(path, sizeof path, list)) {
        path[strcspn(path, "\r\n")] = 0;
        size_t size;
        char *text = read_file(path, &size);
        if (!text) {
            bad++;
            printf("BAD\t%s\t0\tcannot be read\n", path);
            continue;
        }
        Blob *code = NULL, *errors = NULL;
        DWORD start = GetTickCount();
        HRESULT result = compile(text, size, NULL, NULL, NULL, "main", arguments[2], flags, 0, &code, &errors);
        DWORD time = GetTickCount() - start;
        if (result < 0) {
            bad++;
            char message[400];
            snprintf(message, sizeof message, "%s", errors ? (char *)errors->methods->bytes(errors) : "no message");
            for (char *c = message; *c; c++) *c = *c == '\n' || *c == '\r' || *c == '\t' ? ' ' : *c;
            printf("BAD\t%s\t%lu\t%s\n", path, time, message);
        } else {
            printf("OK\t%s\t%lu\t\n", path, time);
            Blob *listing = NULL;
            if (assembly && disassemble(code->methods->bytes(code), code->methods->size(code), 0, NULL, &listing) >= 0) {
                write_beside(path, "asm", listing, 1);
                listing->methods->release(listing);
                write_beside(path, "dxbc", code, 0);
            }
        }
        fflush(stdout);
        free(text);
        if (code) code->methods->release(code);
        if (errors) errors->methods->release(errors);
    }
    return bad != 0;
}
