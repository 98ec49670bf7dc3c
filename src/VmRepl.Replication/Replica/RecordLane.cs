using System.Globalization;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using VmRepl.Journal;
using VmRepl.Journal.Points;
using VmRepl.Journal.Store;
using VmRepl.Protocol.Connections;
using VmRepl.Protocol.Messages;
using VmRepl.Protocol.Records;
using VmRepl.Replication.Replica.Seeds;

namespace VmRepl.Replication.Replica;

/// <summary>
/// What a session's records go through, in order: checked, made durable (all that wait at once share a flush) and acknowledged, with credit for more. Where there is no room it waits for some: nothing is acknowledged and no credit
/// granted meanwhile.
/// </summary>
/// <param name="group">Whoever has the session has it alone.</param>
internal sealed class RecordLane(FramedConnection connection, GroupStore group, SessionCredit credit, SessionSeeds seeds, RoomWait room, ILogger log)
{
    private const long FillBytesMax = 8 << 20;
    private const long UntoldBytesMax = 256 << 10;

    private readonly Channel<IMessage> records = Channel.CreateUnbounded<IMessage>(new UnboundedChannelOptions { SingleReader = true });
    private ulong received;
    // Newest that came on this connection, or what was durable when it began: the next batch follows it.
    private ulong newest = group.Journal.Position.Durable;

    /// <summary>What of a message counts against the credit.</summary>
    public static long Weigh(IMessage message) => message switch { RecordBatch batch => Weigh(batch.Records), BaselineBatch batch => Weigh(batch.Records), _ => 0 };

    /// <summary>Takes a RecordBatch or BaselineBatch, which credit bounds, or a SeedDisk, of which there is one for each disk.</summary>
    public void Add(IMessage batch) => records.Writer.TryWrite(batch);

    /// <summary>Nothing comes any more.</summary>
    public void Complete() => records.Writer.TryComplete();

    /// <summary>Runs until nothing comes any more.</summary>
    /// <exception cref="ArgumentException">A record that may not come, or not here.</exception>
    /// <exception cref="IOException">The storage failed, or the connection.</exception>
    /// <exception cref="JournalDamagedException">The journal is.</exception>
    public async Task RunAsync(CancellationToken cancellation)
    {
        while (await records.Reader.WaitToReadAsync(cancellation))
        {
            if (records.Reader.TryPeek(out var first) && first is SeedDisk seed)
            {
                records.Reader.TryRead(out _);
                await seeds.RunAsync(seed, group, room, cancellation);
                continue;
            }

            long bytes = 0;
            var batch = new List<Record>();
            var baseline = new List<Record>();
            var filled = new List<BaselineBatch>();
            // Contents of a baseline wait for no flush: taken a little at a time, credit comes back while the rest is on its way.
            while ((filled.Count == 0 || bytes < FillBytesMax) && records.Reader.TryPeek(out var coming) && coming is not SeedDisk && records.Reader.TryRead(out var next))
            {
                if (next is RecordBatch following)
                {
                    CheckOrder(following);
                    batch.AddRange(following.Records);
                    bytes += Weigh(following.Records);
                }
                else if (next is BaselineBatch filling)
                {
                    Follow(filling.Previous, filling.Records);
                    baseline.AddRange(filling.Records);
                    filled.Add(filling);
                    bytes += Weigh(filling.Records);
                }
            }

            // Records follow a baseline, never the other way round, so the order between the two kinds is kept.
            if (baseline.Count > 0)
            {
                baseline.ForEach(record => record.VerifyPayload());
                await room.RunAsync(() => group.ApplyBaseline(baseline), cancellation);
                received = baseline[^1].Header.Sequence;
                await AcknowledgeAsync(Weigh(baseline), cancellation);
            }

            foreach (var done in filled) done.Dispose();
            // In pieces that any capacity has room for, one after the other: what fits is taken, and the rest waits.
            foreach (var piece in AppendPieces.Of(batch, group.Journal.SegmentBytesEach / 2))
            {
                var told = Task.CompletedTask;
                // A round's end is told when it is in the live images: whoever waits for it may look at them next.
                Action? durable = piece.Exists(r => r.Header.Kind == RecordKind.ResyncEnd) ? null : () => told = AcknowledgeAsync(0, cancellation);
                await room.RunAsync(() => Append(piece, durable), cancellation);
                await told;
                // What was applied is told with what is durable next, where that follows at once: an answer costs both sides as much as a small batch does.
                var weight = Weigh(piece);
                if (durable is not null && weight <= UntoldBytesMax && records.Reader.TryPeek(out _)) credit.Renew(weight);
                else await AcknowledgeAsync(weight, cancellation);
            }

            if (batch.LastOrDefault(r => r.Header.Kind == RecordKind.ResyncEnd) is { } end)
            {
                SessionLog.Point(log, group.Description.Name, end.Header.Sequence);
                // A round is over and nobody waits: the live images are flushed now, so that a crash later has nothing to redo.
                group.Journal.Checkpoint();
            }
        }
    }

    private Task AcknowledgeAsync(long bytes, CancellationToken cancellation)
    {
        var granted = credit.Renew(bytes);
        var position = group.Journal.Position;
        return connection.SendAsync(new Ack(Math.Max(received, position.Durable), position.Durable, position.Applied, (ulong)granted), cancellation).AsTask();
    }

    /// <param name="durable">Called when the batch is durable and not yet applied.</param>
    private void Append(List<Record> batch, Action? durable)
    {
        foreach (var record in batch)
        {
            record.VerifyPayload();
            if (record.Header is { Kind: RecordKind.Zero or RecordKind.Punch, Length: > RecordLimits.MaxEmptyBytes })
                throw new ArgumentException($"{record} names {record.Header.Length} bytes, {RecordLimits.MaxEmptyBytes} is the most that a {record.Header.Kind} of a batch may name");
        }

#if SIMULATION_PLANTS
        if (!Simulation.Plant.Is(Simulation.Plant.AcceptOldEpoch))
#endif
        if (batch.Find(r => r.Header.Epoch < group.Description.Epoch) is { } stale)
            throw new ArgumentException($"{stale} is of epoch {stale.Header.Epoch}; the group is at {group.Description.Epoch}");
        group.Append(batch, durable);
        received = batch[^1].Header.Sequence;
    }

    /// <summary>A batch follows the one before it without a hole, unless its first record names the hole.</summary>
    private void CheckOrder(RecordBatch batch)
    {
        var first = batch.Records[0].Header;
        if (group.Phase == GroupPhase.Baseline)
        {
            // A source that was started anew counts on from a number that it had reserved: what came before is known by what it says, not by the number.
            Follow(batch.Previous, batch.Records);
            return;
        }

        if (first.Attributes?.GetValueOrDefault(RecordAttribute.GapFrom) is { } from)
        {
            var to = first.Attributes.GetValueOrDefault(RecordAttribute.GapTo);
            if (from != Text(newest + 1) || to != Text(first.Sequence - 1) || first.Sequence <= newest + 1)
                throw new ArgumentException($"{batch.Records[0]} gives up the sequences from {from} to {to}, those from {newest + 1} to {first.Sequence - 1} are missing");
            newest = batch.Records[^1].Header.Sequence;
        }
        else if (first.Sequence != newest + 1)
        {
            throw OutOfOrder(batch.Previous, first.Sequence);
        }
        else
        {
            Follow(batch.Previous, batch.Records);
        }
    }

    /// <summary>What is acknowledged is acknowledged by the newest number: what was overtaken, or got lost, would count as taken.</summary>
    private void Follow(ulong previous, Record[] records)
    {
        if (previous != newest) throw OutOfOrder(previous, records[0].Header.Sequence);
        newest = records[^1].Header.Sequence;
    }

    private ArgumentException OutOfOrder(ulong previous, ulong first) => new($"a batch after sequence {previous}, beginning with {first}, came where one after {newest} was due");

    private static string Text(ulong sequence) => sequence.ToString(CultureInfo.InvariantCulture);

    private static long Weigh(IEnumerable<Record> batch) => batch.Sum(CreditRule.Weigh);
}
