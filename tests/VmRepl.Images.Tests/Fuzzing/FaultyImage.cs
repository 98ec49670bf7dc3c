using VmRepl.Blocks;
using VmRepl.Blocks.Files;
using VmRepl.Fuzz.Trials;
using VmRepl.Images.Opening;

namespace VmRepl.Images.Tests.Fuzzing;

/// <summary>A sound image with one fault planted into it, for the fuzzer to find.</summary>
internal sealed class FaultyImage(IDiskImage image, PlantedFault fault, IImageFiles files) : IDiskImage
{
    private static readonly byte[] Nothing = [];

    private byte[]? held;

    public ImageFormat Format => image.Format;

    public ImageDescription Description => image.Description;

    public IReadOnlyList<IHostFile> Files => image.Files;

    public long Length => image.Length;

    public int SectorSize => image.SectorSize;

    public bool IsReadOnly => image.IsReadOnly;

    public void Read(long offset, Span<byte> buffer)
    {
        image.Read(offset, buffer);
        if (fault == PlantedFault.UntypedError && offset > 0) _ = Nothing[offset];
        if (fault == PlantedFault.StaleContents && buffer.Length > 0) buffer[0] |= 1;
        if (fault == PlantedFault.TakesTime && held is null) Spin();
    }

    public void Write(long offset, ReadOnlySpan<byte> data)
    {
        if (fault != PlantedFault.LosesWrites) image.Write(offset, data);
    }

    public void Zero(long offset, long length) => image.Zero(offset, length);

    public void Punch(long offset, long length) => image.Punch(offset, length);

    public void Flush() => image.Flush();

    public void Resize(long length) => image.Resize(length);

    public IEnumerable<MapExtent> Map(long offset, long length) => fault == PlantedFault.GapInTheMap ? image.Map(offset, length).Skip(1) : image.Map(offset, length);

    public IEnumerable<ImageFinding> Check()
    {
        if (fault == PlantedFault.HoldsMemory)
        {
            held = new byte[100 << 20];
            _ = image.Files[0].Read(0, held.AsSpan(0, 1));
        }

        // The secret beside the directory of the mutants, as a name in an image might lead to it.
        if (fault == PlantedFault.FollowsAnyName) files.Open("/vmrepl-fuzz/home/../outside/secret.raw", HostFileAccess.Read).Dispose();
        return image.Check();
    }

    public void Dispose()
    {
        GC.KeepAlive(held);
        image.Dispose();
    }

    private void Spin()
    {
        held = [];
        // Processor time, which is what is limited: on a busy machine the time that passes is more.
        for (var started = ThreadClock.Now; ThreadClock.Now - started < TimeSpan.FromSeconds(2);)
        {
        }
    }
}
