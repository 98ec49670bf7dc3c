using VmRepl.Journal.Store;
using VmRepl.Protocol.Connections;
using VmRepl.Protocol.Messages;
using Point = VmRepl.Journal.Points.RecoveryPoint;

namespace VmRepl.Replication.Replica.Attachments;

/// <summary>What a peer asks about attachments. Whether it may is looked at before.</summary>
internal sealed class AttachmentExchange(ReplicaSite site, FramedConnection connection)
{
    private static readonly TimeSpan ProgressInterval = TimeSpan.FromMilliseconds(200);

    private readonly List<Attachment> leased = [];

    public IMessage Attach(AttachGroup request, GroupStore group)
    {
        var attachment = Attachments.Attach(group, request.At, request.Writable, request.Leased);
        if (request.Leased) leased.Add(attachment);
        return Describe(Attachments, attachment);
    }

    /// <summary>The peer is gone.</summary>
    public void EndLeased()
    {
        foreach (var attachment in leased)
        {
            if (Attachments.Find(attachment.Id) is not null) Attachments.Detach(attachment.Group, null, attachment.Id, null, null, CancellationToken.None);
        }
    }

    public IMessage List(GroupStore group) => new AttachmentList(group.Description.Name, [.. Attachments.Of(group.Description.Name).Select(a => Describe(Attachments, a))]);

    /// <summary>The keeping goes on when the peer goes away: what was written is worth more than the connection.</summary>
    public async Task<IMessage> DetachAsync(DetachGroup request, GroupStore group, CancellationToken cancellation)
    {
        var attachments = Attachments;
        var point = request.At.Length == 0 ? null : PointOf(request, group);
        (long Total, long Done) progress = (0, 0);
        var gate = new Lock();
        var ending = new TaskCompletionSource<(int Count, string? Directory)>(TaskCreationOptions.RunContinuationsAsynchronously);
        site.RunAside(() =>
        {
            try
            {
                ending.SetResult(attachments.Detach(request.Group, point, request.Id, request.Keep, Note, cancellation));
            }
            catch (Exception e)
            {
                ending.SetException(e);
            }
        });
        var isHeard = true;
        while (await Task.WhenAny(ending.Task, Task.Delay(ProgressInterval, site.Time, CancellationToken.None)) != ending.Task)
        {
            (long Total, long Done) now;
            lock (gate) now = progress;
            if (isHeard) isHeard = await TellAsync(new DetachProgress(now.Total, now.Done), cancellation);
        }

        var (count, directory) = await ending.Task;
        return new Detached(count, directory);

        void Note(long total, long done)
        {
            lock (gate) progress = (total, done);
        }
    }

    /// <exception cref="StoreException">This replica serves nothing.</exception>
    private ViewAttachments Attachments => site.Attachments ?? throw new StoreException("this replica serves no block devices", "Start it with --nbd HOST:PORT or --nbd unix:PATH.");

    /// <summary>The point may have left the range's list and still be attached: a number is then taken as it is.</summary>
    private Point PointOf(DetachGroup request, GroupStore group) =>
        Attachments.Of(request.Group).FirstOrDefault(a => a.Point.Bookmark == request.At || a.Point.Sequence.ToString(System.Globalization.CultureInfo.InvariantCulture) == request.At)?.Point ?? group.FindPoint(request.At);

    private async Task<bool> TellAsync(IMessage message, CancellationToken cancellation)
    {
        try
        {
            await connection.SendAsync(message, cancellation);
            return true;
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
            return false;
        }
    }

    private static Attached Describe(ViewAttachments attachments, Attachment attachment) => new(attachment.Id,
        new RecoveryPoint(attachment.Point.Sequence, attachment.Point.TimeUs, attachment.Point.Bookmark, attachment.Point.Consistency), attachment.IsWritable,
        [.. attachment.Disks.Select(d => new AttachedDisk(d.Name, attachments.UriOf(attachment, d.Name)))]);
}
