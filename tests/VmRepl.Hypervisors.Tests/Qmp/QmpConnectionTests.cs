using System.Net.Sockets;
using System.Text;
using VmRepl.Hypervisors.Qmp;

namespace VmRepl.Hypervisors.Tests.Qmp;

[TestFixture]
public class QmpConnectionTests
{
    private const string Greeting = """{"QMP":{"version":{"qemu":{"micro":22,"minor":2,"major":7},"package":""},"capabilities":["oob"]}}""";
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(5);

    [Test]
    public async Task Execute_AnswersOutOfOrderWithEventsBetween_GoToTheirCallers()
    {
        var events = new List<string>();
        await using var pair = await PairAsync(e => events.Add(e.Name));
        var first = pair.Qmp.ExecuteAsync("a", null, Limit, default);
        var second = pair.Qmp.ExecuteAsync("b", null, Limit, default);
        var (one, two) = (await pair.IdAsync(), await pair.IdAsync());
        await pair.SayAsync("""{"event":"STOP","data":{}}""");
        await pair.SayAsync($$"""{"return":"two","id":{{two}}}""");
        await pair.SayAsync($$"""{"error":{"class":"CommandNotFound","desc":"no a"},"id":{{one}}}""");
        Assert.That((string?)await second, Is.EqualTo("two"));
        Assert.That(async () => await first, Throws.TypeOf<QmpException>().With.Property("Kind").EqualTo("CommandNotFound").And.Message.EqualTo("no a"));
        Assert.That(events, Is.EqualTo(new[] { "STOP" }));
        Assert.That(pair.Qmp.Version, Is.EqualTo("7.2.22"));
    }

    [Test]
    public async Task Execute_WithoutAnswer_EndsAtItsDeadline()
    {
        await using var pair = await PairAsync(_ => { });
        Assert.That(async () => await pair.Qmp.ExecuteAsync("a", null, TimeSpan.FromMilliseconds(50), default), Throws.TypeOf<QmpException>().With.Message.Contains("did not answer a"));
    }

    [TestCase("not json")]
    [TestCase("[]")]
    [TestCase("""{"return":1,"return":2,"id":2}""")]
    public async Task Execute_PeerSpeaksNonsense_FailsThatAndEveryLaterCommand(string line)
    {
        await using var pair = await PairAsync(_ => { });
        var command = pair.Qmp.ExecuteAsync("a", null, Limit, default);
        await pair.SayAsync(line);
        Assert.That(async () => await command, Throws.TypeOf<QmpException>().With.Property("Kind").Null);
        Assert.That(async () => await pair.Qmp.ExecuteAsync("b", null, Limit, default), Throws.TypeOf<QmpException>());
    }

    [Test]
    public async Task Execute_PeerCloses_FailsAtOnce()
    {
        await using var pair = await PairAsync(_ => { });
        var command = pair.Qmp.ExecuteAsync("a", null, Limit, default);
        await pair.IdAsync();
        pair.Peer.Close();
        Assert.That(async () => await command, Throws.TypeOf<QmpException>());
    }

    [Test]
    public async Task Read_LineWithoutEnd_IsCutOffAtTheBound()
    {
        await using var pair = await PairAsync(_ => { });
        var flood = Task.Run(async () =>
        {
            var piece = new byte[64 << 10];
            Array.Fill(piece, (byte)' ');
            for (var i = 0; i < 200; i++) await pair.Peer.SendAsync(piece);
        });
        Assert.That(async () => await pair.Qmp.ExecuteAsync("a", null, Limit, default), Throws.TypeOf<QmpException>());
        Assert.That(async () => { await pair.Qmp.Ended.WaitAsync(Limit); }, Throws.Nothing);
        await pair.Qmp.DisposeAsync();
        await flood.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    [Test]
    public void Open_OtherGreeting_IsRefused()
    {
        var (ours, peer) = Sockets();
        using (peer)
        {
            peer.Send("220 smtp\n"u8);
            Assert.That(async () => await QmpConnection.OpenAsync(ours, _ => { }, Limit, TimeProvider.System, default), Throws.TypeOf<QmpException>());
        }
    }

    [Test]
    public void Open_SilentPeer_EndsAtTheDeadline()
    {
        var (ours, peer) = Sockets();
        using (peer) Assert.That(async () => await QmpConnection.OpenAsync(ours, _ => { }, TimeSpan.FromMilliseconds(50), TimeProvider.System, default), Throws.TypeOf<QmpException>());
    }

    private static async Task<Pair> PairAsync(Action<QmpEvent> onEvent)
    {
        var (ours, peer) = Sockets();
        var opening = QmpConnection.OpenAsync(ours, onEvent, Limit, TimeProvider.System, default);
        var reader = new StreamReader(new NetworkStream(peer));
        await peer.SendAsync(Encoding.UTF8.GetBytes(Greeting + "\n"));
        var negotiation = System.Text.Json.Nodes.JsonNode.Parse((await reader.ReadLineAsync())!)!;
        Assert.That((string?)negotiation["execute"], Is.EqualTo("qmp_capabilities"));
        await peer.SendAsync(Encoding.UTF8.GetBytes($$"""{"return":{},"id":{{negotiation["id"]}}}""" + "\n"));
        return new Pair(await opening, peer, reader);
    }

    private static (Socket Ours, Socket Peer) Sockets()
    {
        var path = Path.Combine(Path.GetTempPath(), $"qmp-{Guid.NewGuid():N}");
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(path));
        listener.Listen();
        var ours = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        ours.Connect(new UnixDomainSocketEndPoint(path));
        var peer = listener.Accept();
        File.Delete(path);
        return (ours, peer);
    }

    private sealed record Pair(QmpConnection Qmp, Socket Peer, StreamReader Reader) : IAsyncDisposable
    {
        public async Task<long> IdAsync() => (long)System.Text.Json.Nodes.JsonNode.Parse((await Reader.ReadLineAsync())!)!["id"]!;

        public Task<int> SayAsync(string line) => Peer.SendAsync(Encoding.UTF8.GetBytes(line + "\n"));

        public async ValueTask DisposeAsync()
        {
            await Qmp.DisposeAsync();
            Peer.Dispose();
        }
    }
}
