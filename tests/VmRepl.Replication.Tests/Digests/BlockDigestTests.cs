using VmRepl.Replication.Digests;
using VmRepl.Replication.Tests.Stage;

namespace VmRepl.Replication.Tests.Digests;

[Parallelizable(ParallelScope.All)]
public class BlockDigestTests
{
    // The construction as docs/protocol.md has it, in another language: key, leaves, and nodes of up to 16 children.
    private const string Referee = """
        import hashlib, sys
        store, source, path, level = bytes.fromhex(sys.argv[1]), bytes.fromhex(sys.argv[2]), sys.argv[3], int(sys.argv[4])
        key = hashlib.sha256(b"vmrepl digest 1" + store + source).digest()
        data = open(path, "rb").read()
        h = lambda b: hashlib.sha256(key + b).digest()[:16]
        row = [h(data[i:i + 4096]) for i in range(0, len(data), 4096)]
        size = 4096
        while size < level:
            row = [h(b"".join(row[i:i + 16])) for i in range(0, len(row), 16)]
            size *= 16
        print("".join(d.hex() for d in row))
        """;

    [Test]
    public void Compute_AnyLength_IsWhatTheRefereeComputes(
        [Values(512, 4096, 4608, 65536, 66048, (1 << 20) - 512, 1 << 20)] int length, [Values(4096, 65536, 1 << 20)] int level, [Values] bool isZero)
    {
        ExternalTool.Require(ExternalTool.Python);
        using var directory = new TestDirectory();
        var data = new byte[length];
        if (!isZero) new Random(length).NextBytes(data);
        File.WriteAllBytes(directory.File("data"), data);
        Guid store = new("00112233-4455-6677-8899-aabbccddeeff"), source = new("deadbeef-0001-0002-0003-000405060708");
        using var digest = new BlockDigest(store, source);
        var expected = ExternalTool.Run(ExternalTool.Python, "-c", Referee, Convert.ToHexString(store.ToByteArray()), Convert.ToHexString(source.ToByteArray()), directory.File("data"), $"{level}").Trim();
        Assert.That(Convert.ToHexStringLower(digest.Compute(data, level)), Is.EqualTo(expected));
    }

    [Test]
    public void Compute_OtherStoreOrSource_HasOtherDigests()
    {
        Guid one = Guid.NewGuid(), two = Guid.NewGuid();
        using BlockDigest a = new(one, two), b = new(one, one), c = new(two, one);
        var data = new byte[4096];
        Assert.That(new[] { a, b, c }.Select(d => Convert.ToHexString(d.Compute(data, 4096))).Distinct().Count(), Is.EqualTo(3));
    }
}
