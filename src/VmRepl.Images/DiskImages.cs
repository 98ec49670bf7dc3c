using VmRepl.Blocks.Files;
using VmRepl.Images.Opening;
using VmRepl.Images.Qcow2;
using VmRepl.Images.Raw;
using VmRepl.Images.Vhd;
using VmRepl.Images.Vhdx;
using VmRepl.Images.Vmdk;

namespace VmRepl.Images;

/// <summary>Opens, probes and creates disk images of every format.</summary>
public static class DiskImages
{
    /// <summary>Largest disk that is opened or made: 2^56 bytes, well above every format's own limit and far from overflow.</summary>
    public const long LengthMax = 1L << 56;

    private const int HeadBytes = 4096, TailBytes = 512;

    private static readonly IImageDriver[] Drivers = [new Qcow2Driver(), new VhdxDriver(), new VmdkDriver(), new VhdDriver(), new RawDriver()];

    /// <summary>Opens the image at <paramref name="path"/> with its chain.</summary>
    /// <exception cref="ImageFormatException">The image is corrupt, hostile or of an unsupported kind.</exception>
    /// <exception cref="ReferenceRefusedException">It names a file that the options do not allow.</exception>
    /// <exception cref="IOException">The environment failed.</exception>
    public static IDiskImage Open(string path, ImageOpenOptions? options = null)
    {
        options ??= new ImageOpenOptions();
        if (options is { Snapshot: not null, Writable: true }) throw new ArgumentException("an internal snapshot is not written", nameof(options));
        var device = options is { MayBeDevice: true, Writable: false } ? options.Files.OpenDevice(path) : null;
        var file = device ?? options.Files.Open(path, options.Writable ? HostFileAccess.ReadWrite : HostFileAccess.Read);
        try
        {
            var context = new ImageContext(options.Files, ReferencePolicy.For(path, options.Allow, options.Files), options.Writable) { Snapshot = options.Snapshot };
            context.Enter(file, path);
            var format = options.Format ?? (device is null ? Probe(file) : ImageFormat.Raw);
            if (options.Snapshot is { } snapshot && format != ImageFormat.Qcow2)
                throw ImageFormatException.Mismatch(path, -1, "format", $"qcow2 to have the internal snapshot \"{snapshot}\"", format.Name());
            return Driver(format).Open(file, context);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>
    /// The format that the file's first bytes show, or else its last ones; raw where none do. Three reads of at most 4096 bytes, whatever the file. Never used for a member of a chain.
    /// </summary>
    /// <exception cref="ImageFormatException">The end says that the file begins with a guest's disk, and the disk begins like an image of another format: to follow either could be what the guest wants.</exception>
    public static ImageFormat Probe(IHostFile file)
    {
        Span<byte> buffer = stackalloc byte[HeadBytes];
        ReadOnlySpan<byte> head = buffer[..file.Read(0, buffer)];
        var length = file.Length;
        Span<byte> end = stackalloc byte[(int)Math.Min(TailBytes, length)];
        ReadOnlySpan<byte> tail = end[..file.Read(length - end.Length, end)];
        ImageFormat? byHead = null;
        foreach (var driver in Drivers)
        {
            if (byHead is null && driver.Recognizes(head)) byHead = driver.Format;
        }

        foreach (var driver in Drivers)
        {
            var found = driver.RecognizesEnd(head, tail, file);
            if (found == EndRecognition.None || byHead == driver.Format) continue;
            if (byHead is null) return driver.Format;
            if (found == EndRecognition.FormatBehindDisk)
            {
                throw ImageFormatException.Mismatch(file.Path, 0, "format", "one that first and last bytes agree on; name it with --format",
                    $"{byHead.Value.Name()} by the first bytes and {driver.Format.Name()} by the last {tail.Length}");
            }
        }

        return byHead ?? ImageFormat.Raw;
    }

    /// <summary>Makes a thin image in the new file <paramref name="path"/> and opens it for writing.</summary>
    /// <exception cref="IOException">The file exists, or the environment failed.</exception>
    /// <exception cref="NotSupportedException">The format cannot have what the options ask for.</exception>
    /// <exception cref="ImageFormatException">The backing file is damaged or missing.</exception>
    /// <exception cref="ReferenceRefusedException">The backing file, or what it names, lies where the options do not allow.</exception>
    public static IDiskImage Create(string path, ImageFormat format, long length, ImageCreateOptions? options = null)
    {
        options ??= new ImageCreateOptions();
        if (options.Backing is not null) return CreateOverlay(path, format, options, length);
        RequireLength(length);
        var file = HostFile.Open(path, HostFileAccess.CreateNew);
        try
        {
            return Driver(format).Create(file, length, options, new TableMemory());
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>As <see cref="Create"/>, over the options' <see cref="ImageCreateOptions.Backing"/>.</summary>
    /// <param name="length">Bytes of the disk; null for the backing file's.</param>
    public static IDiskImage CreateOverlay(string path, ImageFormat format, ImageCreateOptions options, long? length = null)
    {
        var backing = options.Backing ?? throw new ArgumentException("an overlay needs a backing file", nameof(options));
        // Opened before the file is made: a chain that leads back here is then one that leads nowhere.
        var context = new ImageContext(HostImageFiles.Instance, ReferencePolicy.For(path, options.Allow), writable: false);
        var parent = context.OpenParent(path, backing.Name, backing.Format);
        IHostFile? file = null;
        try
        {
            RequireLength(length ?? parent.Length);
            file = HostFile.Open(path, HostFileAccess.CreateNew);
            return Driver(format).CreateOverlay(file, length ?? parent.Length, options, parent, context.Tables);
        }
        catch
        {
            parent.Dispose();
            file?.Dispose();
            throw;
        }
    }

    internal static IDiskImage OpenFile(IHostFile file, ImageFormat format, ImageContext context)
    {
        try
        {
            return Driver(format).Open(file, context);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    private static void RequireLength(long length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, LengthMax);
    }

    private static IImageDriver Driver(ImageFormat format) => Drivers.First(d => d.Format == format);
}
