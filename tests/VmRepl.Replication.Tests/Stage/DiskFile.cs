using VmRepl.Blocks.Files;
using VmRepl.Images;
using VmRepl.Replication.Source;

namespace VmRepl.Replication.Tests.Stage;

/// <summary>A raw disk of a source in a file, and beside it what its contents must be.</summary>
internal sealed class DiskFile
{
    public DiskFile(TestDirectory directory, uint id, string name, long length, int sectorSize = 512)
    {
        Path = directory.File(name + ".raw");
        Contents = new byte[length];
        Disk = new SourceDisk(id, name, Path, ImageFormat.Raw, length, sectorSize);
        using var file = HostFile.Open(Path, HostFileAccess.CreateNew);
        file.SetLength(length);
    }

    public string Path { get; }

    public SourceDisk Disk { get; set; }

    /// <summary>What the disk holds now.</summary>
    public byte[] Contents { get; }

    public void Write(long offset, ReadOnlySpan<byte> data)
    {
        data.CopyTo(Contents.AsSpan((int)offset));
        using var file = HostFile.Open(Path, HostFileAccess.ReadWrite);
        file.Write(offset, data);
    }

    public void Fill(long offset, int length, Random random)
    {
        var data = new byte[length];
        random.NextBytes(data);
        Write(offset, data);
    }

    public void Punch(long offset, long length)
    {
        Contents.AsSpan((int)offset, (int)length).Clear();
        using var file = HostFile.Open(Path, HostFileAccess.ReadWrite);
        Assert.That(file.TryPunch(offset, length), Is.True, "the tests need a volume that punches");
    }
}
