using System.Globalization;
using VmRepl.Protocol;
using VmRepl.Protocol.Connections;
using VmRepl.Protocol.Messages;
using VmRepl.Protocol.Records;
using VmRepl.Protocol.Security;

namespace VmRepl.Replication.Tests.Stage;

/// <summary>A peer of a replica that says whatever a test wants it to say.</summary>
internal sealed class RawPeer : IAsyncDisposable
{
    private RawPeer(FramedConnection connection) => Connection = connection;

    public FramedConnection Connection { get; }

    public static Guid SourceId { get; } = new("11111111-2222-3333-4444-555555555555");

    public static async Task<RawPeer> ConnectAsync(ReplicaHost replica, string purpose = Hello.Replicate, PeerIdentity? identity = null, params string[] capabilities)
    {
        var (source, served) = MemoryTransport.CreatePair(1 << 20);
        replica.Accept(served, identity);
        var connection = new FramedConnection(source);
        await Handshake.GreetAsync(connection, new Hello(ProtocolVersion.Oldest, ProtocolVersion.Current, capabilities, SourceId, "test", purpose), CancellationToken.None);
        return new RawPeer(connection);
    }

    public static OpenGroup Opening(string group = "vm", uint epoch = 1, Guid? source = null, long length = 64 << 10, bool create = true, params DiskDeclaration[] disks) =>
        new(group, source ?? SourceId, epoch, disks.Length > 0 ? disks : [new DiskDeclaration(1, "sda", length, 512, "raw")], create);

    public static Record Write(ulong sequence, long offset = 0, int length = 512, uint disk = 1, uint epoch = 1) =>
        Record.Create(new RecordHeader { Kind = RecordKind.Write, Sequence = sequence, TimeUs = (long)sequence, Epoch = epoch, Disk = disk, Offset = offset, Length = length }, new byte[length]);

    public static Record Punch(ulong sequence, long offset, long length) =>
        Record.Create(new RecordHeader { Kind = RecordKind.Punch, Sequence = sequence, TimeUs = (long)sequence, Epoch = 1, Disk = 1, Offset = offset, Length = length }, default);

    public static Record Fact(RecordKind kind, ulong sequence, uint epoch = 1) => Record.Create(new RecordHeader { Kind = kind, Sequence = sequence, TimeUs = (long)sequence, Epoch = epoch }, default);

    public static Record ResyncBegin(ulong sequence, params (string Name, ulong Value)[] attributes) => Record.Create(new RecordHeader
    {
        Kind = RecordKind.ResyncBegin,
        Sequence = sequence,
        TimeUs = (long)sequence,
        Epoch = 1,
        Attributes = attributes.ToDictionary(a => a.Name, a => a.Value.ToString(CultureInfo.InvariantCulture)),
    }, default);

    /// <summary>Opens a group and ends its baseline with the point 2.</summary>
    public static async Task<RawPeer> FollowAsync(ReplicaHost replica, string group = "vm")
    {
        var peer = await ConnectAsync(replica);
        await peer.AskAsync<GroupState>(Opening(group));
        await peer.Connection.SendAsync(new BaselineBatch(0, [Write(1)]));
        await peer.Connection.SendAsync(new RecordBatch(0, 1, [Fact(RecordKind.ResyncEnd, 2)]));
        while ((await peer.ReceiveAsync<Ack>()).Durable < 2)
        {
        }

        return peer;
    }

    public async Task<T> AskAsync<T>(IMessage message)
        where T : class, IMessage
    {
        await Connection.SendAsync(message);
        return await ReceiveAsync<T>();
    }

    /// <summary>The next message, which must be of that kind.</summary>
    public async Task<T> ReceiveAsync<T>()
        where T : class, IMessage
    {
        var message = await NextAsync();
        Assert.That(message, Is.InstanceOf<T>(), $"{message}");
        return (T)message!;
    }

    /// <summary>The next message, or null at the end.</summary>
    public async Task<IMessage?> NextAsync()
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        try
        {
            return await Connection.ReceiveAsync(limit.Token);
        }
        catch (ConnectionLostException)
        {
            return null;
        }
    }

    public ValueTask DisposeAsync() => Connection.DisposeAsync();
}
