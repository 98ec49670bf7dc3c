using System.Runtime.InteropServices;

namespace VmRepl.Images.Qcow2;

/// <summary>
/// Zstandard through the system's libzstd, which need not be there: an image that needs it is then refused by name.
/// A frame is unpacked in one piece, into the cluster itself: its window then takes no memory, whatever a frame says of it.
/// </summary>
internal static unsafe class Zstd
{
    private static readonly string[] Names = OperatingSystem.IsWindows() ? ["libzstd", "zstd"] : ["libzstd.so.1", "libzstd.1.dylib", "libzstd"];

    private static readonly Functions? Library = Load();

    public static bool IsAvailable => Library is not null;

    /// <summary>Fills <paramref name="target"/> exactly from one or more whole frames, and looks no further; null, or what stands there instead.</summary>
    public static string? Decompress(ReadOnlySpan<byte> source, Span<byte> target)
    {
        var library = Library ?? throw new NotSupportedException("libzstd is not installed");
        var context = library.Create();
        if (context == 0) throw new IOException("libzstd has no memory for a decompressor");
        try
        {
            var done = 0;
            while (done < target.Length)
            {
                if (source.IsEmpty) return $"{done} bytes";
                fixed (byte* from = source)
                fixed (byte* to = target[done..])
                {
                    var frame = library.FrameSize(from, (nuint)source.Length);
                    if (library.IsError(frame) != 0) return Refused(frame);
                    var got = library.Decompress(context, to, (nuint)(target.Length - done), from, frame);
                    if (library.IsError(got) != 0) return Refused(got);
                    source = source[(int)frame..];
                    done += (int)got;
                }
            }

            return null;
        }
        finally
        {
            _ = library.Free(context);
        }

        string Refused(nuint error) => $"what libzstd refuses ({Marshal.PtrToStringUTF8(library.ErrorName(error))})";
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

    private sealed class Functions(nint library)
    {
        private readonly delegate* unmanaged<nint> create = (delegate* unmanaged<nint>)NativeLibrary.GetExport(library, "ZSTD_createDCtx");
        private readonly delegate* unmanaged<nint, nuint> free = (delegate* unmanaged<nint, nuint>)NativeLibrary.GetExport(library, "ZSTD_freeDCtx");
        private readonly delegate* unmanaged<byte*, nuint, nuint> frameSize = (delegate* unmanaged<byte*, nuint, nuint>)NativeLibrary.GetExport(library, "ZSTD_findFrameCompressedSize");
        private readonly delegate* unmanaged<nint, byte*, nuint, byte*, nuint, nuint> decompress =
            (delegate* unmanaged<nint, byte*, nuint, byte*, nuint, nuint>)NativeLibrary.GetExport(library, "ZSTD_decompressDCtx");
        private readonly delegate* unmanaged<nuint, uint> isError = (delegate* unmanaged<nuint, uint>)NativeLibrary.GetExport(library, "ZSTD_isError");
        private readonly delegate* unmanaged<nuint, nint> errorName = (delegate* unmanaged<nuint, nint>)NativeLibrary.GetExport(library, "ZSTD_getErrorName");

        public nint Create() => create();

        public nuint Free(nint context) => free(context);

        /// <summary>Bytes of the frame that begins at <paramref name="source"/>; an error where it is none, or is not there whole.</summary>
        public nuint FrameSize(byte* source, nuint length) => frameSize(source, length);

        public nuint Decompress(nint context, byte* target, nuint room, byte* source, nuint length) => decompress(context, target, room, source, length);

        public uint IsError(nuint result) => isError(result);

        public nint ErrorName(nuint result) => errorName(result);
    }
}
