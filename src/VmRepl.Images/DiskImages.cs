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
        var file = options.Files.Open(path, options.Writable ? HostFileAccess.ReadWrite : HostFileAccess.Read);
        try
        {
            var context = new ImageContext(options.Files, ReferencePolicy.For(path, options.Allow, options.Files), options.Writable) { Snapshot = options.Snapshot };
            context.Enter(file, path);
            var format = options.Format ?? Probe(file);
            if (options.Snapshot is { } snapshot && format != ImageFormat.Qcow2)
                throw new ImageFormatException(path, -1, "snapshot", $"\"{snapshot}\" is asked for, and a {format.Name()} image has no internal snapshots");
            return Driver(format).Open(file, context);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>The format that the file's first bytes show, or else its last ones; raw where none do. Never used for a member of a chain.</summary>
    public static ImageFormat Probe(IHostFile file)
    {
        Span<byte> head = stackalloc byte[HeadBytes];
        head = head[..file.Read(0, head)];
        foreach (var driver in Drivers)
        {
            if (driver.Recognizes(head)) return driver.Format;
        }

        var length = file.Length;
        Span<byte> tail = stackalloc byte[(int)Math.Min(TailBytes, length)];
        tail = tail[..file.Read(length - tail.Length, tail)];
        foreach (var driver in Drivers)
        {
            if (driver.RecognizesEnd(tail, length)) return driver.Format;
        }

        return ImageFormat.Raw;
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
            return Driver(format).Create(file, length, options);
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
            return Driver(format).CreateOverlay(file, length ?? parent.Length, options, parent);
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
