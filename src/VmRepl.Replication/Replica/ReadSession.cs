using VmRepl.Blocks;
using VmRepl.Journal;
using VmRepl.Journal.Rewind;
using VmRepl.Journal.Store;
using VmRepl.Journal.Views;
using VmRepl.Protocol.Connections;
using VmRepl.Protocol.Messages;
using VmRepl.Protocol.Security;
using VmRepl.Replication.Reading;
using VmRepl.Replication.Replica.Attachments;

namespace VmRepl.Replication.Replica;

/// <summary>Lets a peer read the past: groups, points, and the contents of views. A failed request is answered with its reason; the session goes on.</summary>
internal sealed class ReadSession(ReplicaSite site, FramedConnection connection, PeerIdentity? identity)
{
    private const int ViewsMax = 64;
    private const int MapExtentsMax = 16_384;

    private static readonly TimeSpan ScrubProgressInterval = TimeSpan.FromMilliseconds(500);

    private readonly Dictionary<uint, GroupView> views = [];
    private readonly AttachmentExchange attaching = new(site, connection);
    private uint nextView;

    public async Task RunAsync(CancellationToken cancellation)
    {
        try
        {
            while (await connection.ReceiveAsync(cancellation) is { } request and not Bye)
                await connection.SendAsync(request is RewindGroup rewind ? await new RewindExchange(site, connection, identity).RunAsync(rewind, cancellation) : await AnswerAsync(request, cancellation), cancellation);
        }
        finally
        {
            foreach (var view in views.Values) view.Dispose();
            attaching.EndLeased();
        }
    }

    private async Task<IMessage> AnswerAsync(IMessage request, CancellationToken cancellation)
    {
        try
        {
            return request switch
            {
                ListGroups => new GroupList([.. site.Store.Groups.Where(g => g.Description.CloneOf is null && MayRead(g.Description.Name)).Select(Summarize)]),
                ListPoints list => Points(Group(list.Group)),
                OpenView open => Open(open),
                MapView map => Map(map),
                ReadView read => Read(read),
                CloseView close => Close(close),
                Scrub scrub => await ScrubAsync(scrub, cancellation),
                AskScrubState ask => ScrubState(Group(ask.Group)),
                AttachGroup attach => attaching.Attach(attach, Group(attach.Group)),
                ListAttachments list => attaching.List(Group(list.Group)),
                ListClones list => MayRead(list.Group) ? new CloneList(list.Group, [.. site.Store.ClonesOf(list.Group).Take(MessageLimits.MaxClones).Select(Describe)]) : throw NotAllowed(list.Group),
                NoteTest note => Note(Group(note.Group), note.Test),
                ListTests list => new TestList(list.Group, site.Tests.Of(Group(list.Group).Description.Name)),
                DetachGroup detach => await attaching.DetachAsync(detach, Group(detach.Group), cancellation),
                Ping ping => new Pong(ping.Id),
                _ => new Failure(RefusalCode.Protocol, $"a {request.Type} message has no place here", ""),
            };
        }
        catch (RefusedException e)
        {
            return new Failure(e.Code, e.Message, e.Hint);
        }
        catch (ViewClosedException e)
        {
            return new Failure(RefusalCode.ViewClosed, e.Message, e.Hint);
        }
        catch (StoreException e)
        {
            return new Failure(RefusalCode.UnknownPoint, e.Message, e.Hint);
        }
        catch (JournalDamagedException e)
        {
            return new Failure(RefusalCode.Damaged, e.Message, "Other points may be whole; restore one of them.");
        }
        catch (ObjectDisposedException)
        {
            return new Failure(RefusalCode.Storage, "the group was opened anew after its journal failed, so this view is gone", "Open it again.");
        }
        catch (Exception e) when (e is ArgumentException or KeyNotFoundException)
        {
            return new Failure(RefusalCode.OutOfRange, e.Message, "");
        }
        catch (IOException e) when (e is not ConnectionLostException)
        {
            return new Failure(RefusalCode.Storage, $"the replica's storage failed: {e.Message}", "Look at the replica's volume.");
        }
    }

    /// <summary>Scrubs, and says how far it is; a peer that went away is noticed by that, and ends the scrub.</summary>
    private async Task<ScrubReport> ScrubAsync(Scrub scrub, CancellationToken cancellation)
    {
        if (!MayRead(scrub.Group)) throw NotAllowed(scrub.Group);
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var gate = new Lock();
        var (present, said) = (default(Journal.Scrub.ScrubProgress), default(Journal.Scrub.ScrubProgress));
        var running = site.Store.ScrubAsync(scrub.Group, new Journal.Scrub.ScrubOptions { BytesPerSecond = scrub.BytesPerSecond, Time = site.Time, Progress = Note }, ending.Token);
        try
        {
            while (await Task.WhenAny(running, Task.Delay(ScrubProgressInterval, site.Time, ending.Token)) != running)
            {
                cancellation.ThrowIfCancellationRequested();
                lock (gate) said = present;
                await connection.SendAsync(new ScrubProgress(said.TotalBytes, said.DoneBytes), cancellation);
            }

            var report = await running;
            // One that is too damaged to be opened has no place to note it in.
            if (site.Store.Groups.FirstOrDefault(g => g.Description.Name == scrub.Group) is { } group) group.NoteScrub(Journal.Scrub.LastScrub.Of(report, site.Time.GetUtcNow()));
            return ScrubMessages.Write(report);
        }
        finally
        {
            await ending.CancelAsync();
            // Nothing of it goes on behind a session that has ended: the store may be closed next.
            await running.ContinueWith(static t => t.Exception, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        }

        void Note(Journal.Scrub.ScrubProgress progress)
        {
            lock (gate) present = progress;
        }
    }

    private ScrubState ScrubState(GroupStore group)
    {
        var now = Microseconds(site.Time.GetUtcNow());
        var state = group.ReadLastScrub() is { } last
            ? new ScrubState(Math.Max(0, Microseconds(last.Finished)), last.RegionsVerified, last.RegionsVerified + last.RegionsNew + last.RegionsUnverified, last.DamageCount, Math.Max(0, now))
            : new ScrubState(null, 0, 0, 0, Math.Max(0, now));
        return group.Journal is { NewestPoint: { } newest, Points: [var oldest, ..] } ? state with { OldestPointUs = oldest.TimeUs, NewestPoint = newest.Sequence, NewestPointUs = newest.TimeUs } : state;
    }

    private static long Microseconds(DateTimeOffset time) => (time - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond;

    private Pong Note(GroupStore group, FailoverTest test)
    {
        site.Tests.Add(group.Description.Name, test);
        SessionLog.Tested(site.Log, group.Description.Name, test.Sequence, test.HasPassed ? "passed" : $"failed: {test.Reason}");
        return new Pong(0);
    }

    private bool MayRead(string group) => PeerRights.MayOpen(site.Store, identity, group);

    /// <exception cref="RefusedException">The certificate does not allow it; said of groups that exist and of those that do not.</exception>
    private GroupStore Group(string name) => MayRead(name) ? site.Store.Get(name) : throw NotAllowed(name);

    private RefusedException NotAllowed(string group) => new(connection.Peer,
        new Failure(RefusalCode.NotAllowed, $"group {group}: the certificate does not allow this group", $"Issue it with the SAN entry URI:vmrepl:group:{group}."));

    private static PointList Points(GroupStore group) => new(group.Description.Name, [.. group.Journal.PointCosts().Select(Describe)])
    {
        Runs = [.. group.Journal.Runs.Select(r => new PointRun(r.FirstSequence, r.FirstTimeUs, r.LastSequence, r.LastTimeUs))],
    };

    private static RecoveryPoint Describe(PointCost cost) => new(cost.Point.Sequence, cost.Point.TimeUs, cost.Point.Bookmark, cost.Point.Consistency)
    {
        RewindBytes = cost.RewindBytes,
        RewindMs = cost.RewindSeconds is { } seconds ? (long)Math.Min(Math.Ceiling(seconds * 1000), 1e15) : null,
    };

    private static KeptClone Describe(GroupStore group)
    {
        var clone = group.Description.CloneOf!;
        return new KeptClone(group.Description.Name, new DeclaredClone(clone.Owner, clone.Disk, clone.Base, clone.Name, clone.TimeUs), group.Journal.NewestPoint?.Sequence ?? 0, group.Description.Disks[0].Length);
    }

    private static GroupSummary Summarize(GroupStore group)
    {
        var position = group.Journal.Position;
        return new GroupSummary(group.Description.Name, ReplicationSession.PhaseName(group.Phase), position.Durable, position.Applied,
            group.Journal.NewestPoint?.Sequence ?? 0, Disks(group.Description))
        {
            AckMode = group.Promise?.AckMode ?? AckMode.Snapshot,
            LeaseMs = group.Promise?.LeaseMs ?? 0,
            LastSignUs = group.Promise is { } promise ? Math.Max(0, Microseconds(promise.LastSign)) : 0,
        };
    }

    private ViewOpened Open(OpenView open)
    {
        if (views.Count >= ViewsMax) throw new ArgumentException($"{ViewsMax} views are open on this connection, which is the most");
        var group = Group(open.Group);
        var view = group.OpenView(group.FindPoint(open.At));
        views.Add(++nextView, view);
        return new ViewOpened(nextView, view.Point.Sequence, view.Point.TimeUs, view.Point.Bookmark, Disks(view.Description), [.. view.Metadata.Select(m => new MetadataEntry(m.Key, m.Value))]);
    }

    private ViewMap Map(MapView map)
    {
        var device = Device(map.View, map.Disk, map.Offset, map.Length);
        var extents = new List<ViewExtent>();
        foreach (var run in device.Map(map.Offset, map.Length))
        {
            if (extents.Count > 0 && extents[^1].State == run.State && extents[^1].Offset + extents[^1].Length == run.Offset)
                extents[^1] = extents[^1] with { Length = extents[^1].Length + run.Length };
            else if (extents.Count == MapExtentsMax) break;
            else extents.Add(new ViewExtent(run.Offset, run.Length, run.State));
        }

        // Cut short where there are many: the reader asks on from where the answer ends.
        return new ViewMap([.. extents]);
    }

    private ViewContents Read(ReadView read)
    {
        var device = Device(read.View, read.Disk, read.Offset, read.Length);
        var payload = new byte[read.Length];
        device.Read(read.Offset, payload);
        return ViewContents.Of(payload);
    }

    private Pong Close(CloseView close)
    {
        if (views.Remove(close.View, out var view)) view.Dispose();
        return new Pong(close.View);
    }

    private PointInTimeView Device(uint view, uint disk, long offset, long length)
    {
        if (!views.TryGetValue(view, out var opened) || !opened.Disks.TryGetValue(disk, out var device)) throw new ArgumentException($"there is no view {view} with a disk {disk}");
        return new Extent(offset, length).End <= device.Length ? device : throw new ArgumentException($"{length} bytes at {offset} lie outside the disk");
    }

    private static DiskDeclaration[] Disks(GroupDescription group) => [.. group.Disks.Select(d => new DiskDeclaration(d.Id, d.Name, d.Length, d.SectorSize, d.Format))];
}
