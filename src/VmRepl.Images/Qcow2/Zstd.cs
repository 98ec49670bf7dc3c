using System.Runtime.InteropServices;

namespace VmRepl.Images.Qcow2;

/// <summary>Zstandard through the system's libzstd, which need not be there: an image that needs it is then refused by name.</summary>
internal static unsafe class Zstd
{
    /// <summary>ZSTD_d_windowLogMax and its bound: 8 MiB, above any window that one cluster of at most 2 MiB can need.</summary>
    private const int WindowLogParameter = 100, WindowLogMax = 23;

    private static readonly string[] Names = OperatingSystem.IsWindows() ? ["libzstd", "zstd"] : ["libzstd.so.1", "libzstd.1.dylib", "libzstd"];

    private static readonly Functions? Library = Load();

    public static bool IsAvailable => Library is not null;

    /// <summary>Fills <paramref name="target"/> from one or more frames; null, or what is wrong.</summary>
    public static string? Decompress(ReadOnlySpan<byte> source, Span<byte> target)
    {
        var library = Library ?? throw new NotSupportedException("libzstd is not installed");
        var context = library.Create();
        if (context == 0) throw new IOException("libzstd has no memory for a decompressor");
        try
        {
            _ = library.Set(context, WindowLogParameter, WindowLogMax);
            fixed (byte* from = source)
            fixed (byte* to = target)
            {
                var input = new Buffer { Start = from, Size = (nuint)source.Length };
                var output = new Buffer { Start = to, Size = (nuint)target.Length };
                while (output.Position < output.Size)
                {
                    var before = (input.Position, output.Position);
                    var result = library.Decompress(context, &output, &input);
                    if (library.IsError(result) != 0) return $"is no Zstandard frame ({Marshal.PtrToStringUTF8(library.ErrorName(result))})";
                    if ((input.Position, output.Position) == before) return $"unpacks to {output.Position} bytes, a cluster has {target.Length}";
                }
            }

            return null;
        }
        finally
        {
            _ = library.Free(context);
        }
    }

    private static Functions? Load()
    {
        foreach (var name in Names)
        {
            if (!NativeLibrary.TryLoad(name, typeof(Zstd).Assembly, DllImportSearchPath.SafeDirectories, out var handle)) continue;
            return new Functions(handle);
        }

        return null;
    }

    /// <summary>ZSTD_inBuffer and ZSTD_outBuffer, zstd.h: the same three fields.</summary>
    private struct Buffer
    {
        public byte* Start;
        public nuint Size, Position;
    }

    private sealed class Functions(nint library)
    {
        private readonly delegate* unmanaged<nint> create = (delegate* unmanaged<nint>)NativeLibrary.GetExport(library, "ZSTD_createDCtx");
        private readonly delegate* unmanaged<nint, nuint> free = (delegate* unmanaged<nint, nuint>)NativeLibrary.GetExport(library, "ZSTD_freeDCtx");
        private readonly delegate* unmanaged<nint, int, int, nuint> set = (delegate* unmanaged<nint, int, int, nuint>)NativeLibrary.GetExport(library, "ZSTD_DCtx_setParameter");
        private readonly delegate* unmanaged<nint, Buffer*, Buffer*, nuint> decompress =
            (delegate* unmanaged<nint, Buffer*, Buffer*, nuint>)NativeLibrary.GetExport(library, "ZSTD_decompressStream");
        private readonly delegate* unmanaged<nuint, uint> isError = (delegate* unmanaged<nuint, uint>)NativeLibrary.GetExport(library, "ZSTD_isError");
        private readonly delegate* unmanaged<nuint, nint> errorName = (delegate* unmanaged<nuint, nint>)NativeLibrary.GetExport(library, "ZSTD_getErrorName");

        public nint Create() => create();

        public nuint Free(nint context) => free(context);

        public nuint Set(nint context, int parameter, int value) => set(context, parameter, value);

        public nuint Decompress(nint context, Buffer* output, Buffer* input) => decompress(context, output, input);

        public uint IsError(nuint result) => isError(result);

        public nint ErrorName(nuint result) => errorName(result);
    }
}
