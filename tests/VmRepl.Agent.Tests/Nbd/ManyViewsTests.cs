using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Security.Cryptography;
using Microsoft.Extensions.Logging.Abstractions;
using VmRepl.Agent.Hosting.Nbd;
using VmRepl.Blocks.Files;
using VmRepl.Journal;
using VmRepl.Journal.Store;
using VmRepl.Nbd;
using VmRepl.Nbd.Server;
using VmRepl.Protocol.Records;
using VmRepl.Replication.Replica.Attachments;

namespace VmRepl.Agent.Tests.Nbd;

/// <summary>
/// The test of mechanism 10: a thousand bookmarks under load, and views of any of them over NBD, read by libnbd while the live image below is written all the time. What each must hold is known from an array that
/// takes the same writes.
/// </summary>
[TestFixture]
public class ManyViewsTests
{
    private const int DiskBytes = 4 << 20;
    private const int Bookmarks = 1000;
    private const int WritesBetween = 20;
    private const int ViewsAtOnce = 200;

    private string directory = null!;
    private ReplicaStore store = null!;
    private readonly byte[] contents = new byte[DiskBytes];
    private readonly ConcurrentDictionary<string, string> wanted = new();
    private readonly Random random = new(31);
    private ulong sequence;

    // The store's own.
    private GroupStore Group => store.Get("g");

    [SetUp]
    public void Open()
    {
        // The fixture is one object for all its tests.
        Array.Clear(contents);
        sequence = 0;
        directory = Directory.CreateTempSubdirectory("vmrepl-views-").FullName;
        store = ReplicaStore.OpenForWriting(new HostDirectory(Path.Combine(directory, "store")), new StoreSettings { NewGuid = Guid.NewGuid, Journal = new JournalOptions { FreeBytesMin = 0, SegmentBytes = 1 << 20 } });
        store.Create(new GroupDescription("g", Guid.Empty, 1, [new DiskDescription(1, "sda", DiskBytes, 512, "raw")]));
        Group.Append([Make(RecordKind.ResyncBegin), Make(RecordKind.ResyncEnd)]);
    }

    [TearDown]
    public void Close()
    {
        store?.Dispose();
        if (directory is not null) Directory.Delete(directory, recursive: true);
    }

    [Test]
    public async Task Views_OfAThousandBookmarksWhileTheDiskIsWritten_HoldWhatTheyHeld()
    {
        ExternalTool.RequireModule("nbd");
        var taking = Stopwatch.StartNew();
        for (var i = 0; i < Bookmarks; i++) Load($"b{i}");
        taking.Stop();

        using var stopping = new CancellationTokenSource();
        var address = new NbdAddress.Unix(Path.Combine(directory, "n.sock"));
        using var attachments = new ViewAttachments(store, name => address.Uri(name), TimeProvider.System, NullLogger.Instance);
        using var server = new NbdServer(new ReplicaExports(store, attachments, needsCertificate: false), new NbdServerOptions(), NullLogger.Instance);
        var listening = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listening.Bind(new UnixDomainSocketEndPoint(address.Path));
        listening.Listen(512);
        var serving = server.RunAsync(listening, stopping.Token);
        var writing = Task.Run(() =>
        {
            for (var i = 0; !stopping.IsCancellationRequested; i++) Load($"c{i}");
        });

        const string program = """
            import nbd, hashlib, sys, time
            names = sys.argv[2:]; views = []; slowest = 0
            for name in names:
                started = time.time(); h = nbd.NBD(); h.set_export_name("g/sda@" + name); h.connect_unix(sys.argv[1]); h.pread(512, 0); views.append(h); slowest = max(slowest, time.time() - started)
            size = views[0].get_size(); digests = [hashlib.sha256() for _ in views]
            for offset in range(0, size, 1 << 20):
                for h, d in zip(views, digests): d.update(h.pread(1 << 20, offset))
            for name, d in zip(names, digests): print(name, d.hexdigest())
            print("slowest", slowest)
            """;
        var names = Enumerable.Range(0, Bookmarks).OrderBy(_ => random.Next()).Take(ViewsAtOnce).Select(i => string.Create(CultureInfo.InvariantCulture, $"b{i}")).ToArray();
        var before = sequence;
        var told = (await Task.Run(() => ExternalTool.Run(ExternalTool.Python, ["-c", program, address.Path, .. names]))).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.That(Volatile.Read(ref sequence), Is.GreaterThan(before), "nothing was written meanwhile");
        await stopping.CancelAsync();
        await writing;
        await serving;

        TestContext.Out.WriteLine($"{Bookmarks} bookmarks among {Bookmarks * WritesBetween} writes in {taking.Elapsed.TotalSeconds:0.0} s; the slowest of {ViewsAtOnce} to open and give its first bytes: {told[^1]} s");
        Assert.Multiple(() =>
        {
            Assert.That(told[..^1], Is.EqualTo(names.Select(name => $"{name} {wanted[name]}")));
            Assert.That(Group.Journal.Position.Applied, Is.EqualTo(Group.Journal.Position.Durable), "the lag returns to nothing");
            Assert.That(server.ClientCount, Is.Zero);
        });
        using var scrub = Group.OpenView(Group.FindPoint("latest"));
        var now = new byte[DiskBytes];
        scrub.Disks[1].Read(0, now);
        Assert.That(now.AsSpan().SequenceEqual(contents), Is.True);
    }

    [Test]
    public void Contexts_OfMorePointsThanAClientMayHold_AreNotFound()
    {
        for (var i = 0; i < 40; i++) Load($"d{i}");
        using var attachments = new ViewAttachments(store, name => name, TimeProvider.System, NullLogger.Instance);
        using var export = new ReplicaExports(store, attachments, needsCertificate: false).Open("g/sda@d39", new NbdPeer("test", null));
        var found = Enumerable.Range(0, 40).Count(i => export.FindContext($"{NbdContextNames.DirtyBitmap}d{i}") is not null);
        Assert.Multiple(() =>
        {
            Assert.That(found, Is.EqualTo(32));
            Assert.That(export.FindContext($"{NbdContextNames.DirtyBitmap}d0"), Is.Not.Null, "one that is held already");
            Assert.That(export.FindContext($"{NbdContextNames.DirtyBitmap}never"), Is.Null);
            Assert.That(export.ContextNames, Does.Contain($"{NbdContextNames.DirtyBitmap}d5"));
        });
    }

    [Test]
    public void Bookmark_EachOfThousands_CostsLessThanAKibibyte()
    {
        Load("first");
        var before = Group.Journal.SegmentBytes;
        // So many that the size of a segment, by which the journal grows, counts for little.
        const int count = 8 * Bookmarks;
        for (var i = 0; i < count; i++) Group.Append([Make(RecordKind.Bookmark, name: string.Create(CultureInfo.InvariantCulture, $"m{i}"))]);
        var each = (Group.Journal.SegmentBytes - before) / (double)count;
        TestContext.Out.WriteLine($"{each:0} bytes for each bookmark that is appended alone");
        Assert.That(Group.Journal.Points.Count(p => p.Bookmark is not null), Is.EqualTo(count + 1));
        Assert.That(each, Is.InRange(16, 1024));
    }

    /// <summary>Some writes and a bookmark behind them.</summary>
    private void Load(string bookmark)
    {
        var records = new List<Record>();
        for (var i = 0; i < WritesBetween; i++)
        {
            var payload = new byte[512 * random.Next(1, 33)];
            random.NextBytes(payload);
            var offset = 512L * random.Next((DiskBytes - payload.Length) / 512);
            payload.CopyTo(contents, offset);
            records.Add(Make(RecordKind.Write, offset: offset, payload: payload));
        }

        records.Add(Make(RecordKind.Bookmark, name: bookmark));
        wanted[bookmark] = Convert.ToHexStringLower(SHA256.HashData(contents));
        Group.Append(records);
    }

    private Record Make(RecordKind kind, string? name = null, long offset = 0, byte[]? payload = null) => Record.Create(
        new RecordHeader
        {
            Kind = kind,
            Sequence = ++sequence,
            TimeUs = ((DateTimeOffset.UtcNow - DateTimeOffset.UnixEpoch).Ticks / 10) + (long)sequence,
            Epoch = 1,
            Disk = payload is null ? 0u : 1u,
            Offset = offset,
            Length = payload?.Length ?? 0,
            Attributes = name is null ? null : new Dictionary<string, string> { ["name"] = name },
        },
        payload);
}
