using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Serilog;
using Serilog.Core;
using Serilog.Debugging;
using VmRepl.Agent.Logging;

namespace VmRepl.Agent.Tests.Logging;

[TestFixture]
public class SeqSinkTests
{
    private readonly List<string> said = [];

    [SetUp]
    public void Listen()
    {
        said.Clear();
        SelfLog.Enable(line =>
        {
            lock (said) said.Add(line);
        });
    }

    [TearDown]
    public void StopListening() => SelfLog.Disable();

    [Test]
    public async Task Events_ServerAtHand_ArriveAsClefWithTheKey()
    {
        using var server = new SeqServer(SeqServer.FreePort());
        await using (var log = Log(new SeqSink(Options(server.Url) with { ApiKey = "key-1" })))
        {
            log.Information("Group {Group} moved {Bytes:N0} bytes", "vm1", 12345);
            log.ForContext("@odd", new { A = 1 }).Error(new InvalidOperationException("it broke"), "Failed");
        }

        var request = server.Requests.First();
        Assert.That(request, Has.Property("Method").EqualTo("POST").And.Property("Path").EqualTo("/ingest/clef").And.Property("ApiKey").EqualTo("key-1"));
        Assert.That(request.ContentType, Does.StartWith("application/vnd.serilog.clef"));
        var events = server.Events;
        Assert.That(events, Has.Length.EqualTo(2));
        Assert.That(events[0].GetProperty("@mt").GetString(), Is.EqualTo("Group {Group} moved {Bytes:N0} bytes"));
        Assert.That(events[0].GetProperty("@t").GetDateTimeOffset(), Is.EqualTo(DateTimeOffset.UtcNow).Within(TimeSpan.FromMinutes(1)));
        Assert.That(events[0].GetProperty("@r")[0].GetString(), Is.EqualTo("12,345"));
        Assert.That(events[0].GetProperty("Group").GetString(), Is.EqualTo("vm1"));
        Assert.That(events[0].TryGetProperty("@l", out _), Is.False);
        Assert.That(events[1].GetProperty("@l").GetString(), Is.EqualTo("Error"));
        Assert.That(events[1].GetProperty("@x").GetString(), Does.Contain("it broke"));
        Assert.That(events[1].TryGetProperty("@@odd", out _), Is.True);
    }

    [Test]
    public async Task Events_MoreThanABatch_ComeInOrderAndInBatches()
    {
        using var server = new SeqServer(SeqServer.FreePort());
        await using (var log = Log(new SeqSink(Options(server.Url) with { BatchPostingLimit = 10, Period = TimeSpan.FromMinutes(1) })))
        {
            for (var i = 0; i < 95; i++) log.Information("{Number}", i);
            // A full batch does not wait for the period.
            await server.WaitForEventsAsync(90);
        }

        Assert.That(server.Events.Select(single => single.GetProperty("Number").GetInt32()), Is.EqualTo(Enumerable.Range(0, 95)));
        Assert.That(server.Requests.Select(request => request.Body.Count(c => c == '\n')), Has.All.LessThanOrEqualTo(10));
    }

    [Test]
    public async Task Events_ServerComesBack_KeptOnesArriveAndTheGapIsCounted()
    {
        var port = SeqServer.FreePort();
        await using var log = Log(new SeqSink(Options($"http://127.0.0.1:{port}") with { QueueSizeLimit = 50, BatchPostingLimit = 10 }), out var sink);
        log.Information("{Number}", 0);
        // The first is in hand by now; the queue is empty again.
        for (var tries = 0; sink.Waiting > 0; tries++)
        {
            Assert.That(tries, Is.LessThan(500));
            await Task.Delay(10);
        }

        for (var i = 1; i <= 80; i++) log.Information("{Number}", i);
        using var server = new SeqServer(port);
        await server.WaitForEventsAsync(52);
        log.Information("{Number}", 81);
        await server.WaitForEventsAsync(53);

        var numbers = server.Events.Where(single => single.TryGetProperty("Number", out _)).Select(single => single.GetProperty("Number").GetInt32()).ToArray();
        Assert.That(numbers, Is.EqualTo(Enumerable.Range(0, 51).Append(81)));
        var gap = server.Events.Single(single => single.TryGetProperty("Dropped", out _));
        Assert.That(gap.GetProperty("Dropped").GetInt64(), Is.EqualTo(30));
        lock (said)
        {
            Assert.That(said.Count(line => line.Contains("takes no events", StringComparison.Ordinal)), Is.EqualTo(1), "an outage is told once");
            Assert.That(said.Count(line => line.Contains("takes events again", StringComparison.Ordinal)), Is.EqualTo(1));
        }
    }

    [TestCase(503)]
    [TestCase(429)]
    [TestCase(401)]
    public async Task Events_ServerAnswersWithAFailure_AreSentAgain(int status)
    {
        using var server = new SeqServer(SeqServer.FreePort());
        var refusals = 3;
        server.Answer = _ => refusals-- > 0 ? status : 201;
        await using var log = Log(new SeqSink(Options(server.Url)));
        log.Information("{Number}", 1);
        await server.WaitForEventsAsync(1);
        Assert.That(server.Requests.Select(request => request.Status), Is.EqualTo(new[] { status, status, status, 201 }));
    }

    [Test]
    public async Task Events_OneThatSeqCannotRead_CostsOnlyItself()
    {
        using var server = new SeqServer(SeqServer.FreePort());
        server.Answer = body => body.Contains("poison", StringComparison.Ordinal) ? 400 : 201;
        await using (var log = Log(new SeqSink(Options(server.Url) with { Period = TimeSpan.FromMinutes(1) })))
        {
            for (var i = 0; i < 20; i++) log.Information("{Number} {Text}", i, i == 7 ? "poison" : "food");
        }

        Assert.That(server.Events.Select(single => single.GetProperty("Number").GetInt32()), Is.EqualTo(Enumerable.Range(0, 20).Where(i => i != 7)));
        lock (said) Assert.That(said, Has.Some.Contains("refuses an event"));
    }

    [Test]
    public async Task Events_LongerThanTheLimit_AreReplacedByALineThatSaysSo()
    {
        using var server = new SeqServer(SeqServer.FreePort());
        await using (var log = Log(new SeqSink(Options(server.Url) with { EventBodyLimitBytes = 2000 }))) log.Warning("A document {Document}", new string('x', 5000));

        var single = server.Events.Single();
        Assert.That(single.GetProperty("LengthBytes").GetInt64(), Is.GreaterThan(5000));
        Assert.That(single.GetProperty("Beginning").GetString(), Is.EqualTo("A document {Document}"));
        Assert.That(single.GetProperty("@l").GetString(), Is.EqualTo("Warning"));
    }

    // A closed port fails at once; a port that listens and never answers is the one that hangs naive callers.
    [TestCase(false)]
    [TestCase(true)]
    public async Task AMillionEvents_ServerAway_NeitherWaitNorGrow(bool isSilent)
    {
        using var silent = new TcpListener(IPAddress.Loopback, 0);
        silent.Start();
        var port = isSilent ? ((IPEndPoint)silent.LocalEndpoint).Port : SeqServer.FreePort();
        var options = Options($"http://127.0.0.1:{port}") with { QueueSizeLimit = 10_000, FlushDeadline = TimeSpan.FromMilliseconds(300) };
        var log = Log(new SeqSink(options), out var sink);
        for (var i = 0; i < 20_000; i++) log.Information("{Number} of group {Group}", i, "vm1");
        var before = GC.GetTotalMemory(forceFullCollection: true);
        var longest = TimeSpan.Zero;
        var watch = Stopwatch.StartNew();
        for (var i = 0; i < 1000; i++)
        {
            var start = watch.Elapsed;
            for (var j = 0; j < 1000; j++) log.Information("{Number} of group {Group}", j, "vm1");
            if (watch.Elapsed - start is var taken && taken > longest) longest = taken;
        }

        watch.Stop();
        Assert.That(sink.Waiting, Is.LessThanOrEqualTo(10_000));
        Assert.That(GC.GetTotalMemory(forceFullCollection: true) - before, Is.LessThan(4 * 1024 * 1024));
        // Far above what it takes (about a second), far below one wait for the server for each batch.
        Assert.That(watch.Elapsed, Is.LessThan(TimeSpan.FromSeconds(30)));
        Assert.That(longest, Is.LessThan(TimeSpan.FromSeconds(3)));
        TestContext.Out.WriteLine($"1,000,000 events in {watch.ElapsedMilliseconds} ms, a thousand in {longest.TotalMilliseconds:0.0} ms at most");

        watch.Restart();
        await log.DisposeAsync();
        Assert.That(watch.Elapsed, Is.LessThan(TimeSpan.FromSeconds(5)), "disposing keeps to its deadline");
        lock (said) Assert.That(said, Has.Some.Contains("they are lost"));
    }

    [Test]
    public void Queue_ManyLongEvents_IsBoundedInBytes()
    {
        var queue = new SeqQueue(1_000_000, limitBytes: 1000);
        var added = Enumerable.Range(0, 100).Count(_ => queue.TryAdd(new byte[300]));
        Assert.That(added, Is.EqualTo(3));
        Assert.That(queue.TakeDropped(), Is.EqualTo(97));
        Assert.That(queue.Take(10, bytesMax: 600), Has.Count.EqualTo(2));
        Assert.That(queue.Take(10, bytesMax: 100), Has.Count.EqualTo(1), "one that is longer than a request goes alone");
        Assert.That(queue.TryAdd(new byte[1000]), Is.True, "what was taken made room");
    }

    [TestCase("ftp://seq")]
    [TestCase("seq:5341")]
    [TestCase("")]
    public void ServerUrl_NotHttp_IsRefused(string url) => Assert.That(() => new SeqSink(Options(url)), Throws.ArgumentException.With.Message.Contains("serverUrl"));

    private static SeqSinkOptions Options(string url) => new()
    {
        ServerUrl = url,
        Period = TimeSpan.FromMilliseconds(20),
        RetryDelay = TimeSpan.FromMilliseconds(20),
        MaxRetryDelay = TimeSpan.FromMilliseconds(100),
    };

    private static Logger Log(SeqSink sink) => Log(sink, out _);

    private static Logger Log(SeqSink sink, out SeqSink same)
    {
        same = sink;
        return new LoggerConfiguration().WriteTo.Sink(sink).CreateLogger();
    }
}
