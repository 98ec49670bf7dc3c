using System.Globalization;
using Microsoft.Extensions.Logging;
using VmRepl.Blocks.Files;
using VmRepl.Images;
using VmRepl.Journal.Points;
using VmRepl.Journal.Store;
using VmRepl.Journal.Views;
using VmRepl.Replication.Restore;

namespace VmRepl.Replication.Replica.Attachments;

/// <summary>
/// The points of a store that are served as block devices because somebody asked for it. Read-only ones are there again after a restart, as long as their point is; what was written to a writable one is known to
/// the process alone and is gone with it, unless it was kept before.
/// </summary>
public sealed class ViewAttachments : IDisposable
{
    private const string ScratchName = "scratch";
    private const string KeptName = "kept";

    private readonly IHostDirectory directory;
    private readonly HashSet<uint> leased = [];
    private readonly Func<string, string> uri;
    private readonly TimeProvider time;
    private readonly ILogger log;
    private readonly Lock gate = new();
    private readonly SortedDictionary<uint, Attachment> attachments = [];
    private uint last;

    /// <param name="store">Owned by this process.</param>
    /// <param name="uri">The URI under which an export of that name is served.</param>
    public ViewAttachments(ReplicaStore store, Func<string, string> uri, TimeProvider time, ILogger log)
    {
        directory = store.Directory;
        this.uri = uri;
        this.time = time;
        this.log = log;
        // Whatever is there is a former process's, and of no use without what it knew.
        var scratch = directory.Directory(ScratchName);
        if (scratch.Exists) scratch.DeleteTree();
        Resume(store);
    }

    /// <summary>Names an export: <c>GROUP/DISK@SEQUENCE~NUMBER</c>.</summary>
    public static string ExportName(Attachment attachment, string disk) => string.Create(CultureInfo.InvariantCulture, $"{attachment.Group}/{disk}@{attachment.Point.Sequence}~{attachment.Id}");

    public string UriOf(Attachment attachment, string disk) => uri(ExportName(attachment, disk));

    /// <summary>Attachments of a group, or of all, oldest first.</summary>
    public IReadOnlyList<Attachment> Of(string? group = null)
    {
        lock (gate) return [.. attachments.Values.Where(a => group is null || a.Group == group)];
    }

    public Attachment? Find(uint id)
    {
        lock (gate) return attachments.GetValueOrDefault(id);
    }

    /// <summary>Serves a group as of a point; each call makes one of its own.</summary>
    /// <exception cref="StoreException">There is no such point, or there are too many attachments.</exception>
    /// <exception cref="IOException">The scratch files could not be made.</exception>
    /// <param name="isLeased">It is not remembered over a restart: whoever has it ends it.</param>
    public Attachment Attach(GroupStore group, string at, bool writable, bool isLeased = false)
    {
        lock (gate)
        {
            if (attachments.Count >= Protocol.Messages.MessageLimits.MaxAttachments) throw new StoreException($"{attachments.Count} points are attached, which is the most", "Detach some (vmrepl attach GROUP --list shows them).");
            var attachment = Open(last + 1, group, group.FindPoint(at), writable);
            last++;
            if (isLeased) leased.Add(attachment.Id);
            attachments.Add(attachment.Id, attachment);
            Write();
            AttachmentLog.Attached(log, attachment.Group, attachment.Id, attachment.Point.Sequence, writable ? "with a scratch layer" : "read-only");
            return attachment;
        }
    }

    /// <summary>Ends those that are meant; their clients' requests fail from then on.</summary>
    /// <param name="point">Those of this point; null for every one of the group.</param>
    /// <param name="id">Only the one of this number; 0 for all.</param>
    /// <param name="keep">A name: the disks are first written out with what was written to them, independent of the journal, as QCOW2 images.</param>
    /// <param name="progress">Total and done bytes of the keeping.</param>
    /// <returns>How many, and the directory where the kept images are.</returns>
    /// <exception cref="StoreException">Nothing is attached so, or it cannot be kept under that name.</exception>
    public (int Count, string? Directory) Detach(string group, RecoveryPoint? point, uint id, string? keep, Action<long, long>? progress, CancellationToken cancellation)
    {
        List<Attachment> meant;
        lock (gate) meant = [.. attachments.Values.Where(a => a.Group == group && (point is null || a.Point.Sequence == point.Sequence) && (id == 0 || a.Id == id))];
        if (meant.Count == 0) throw new StoreException($"nothing of group {group} is attached{(point is null ? "" : $" at sequence {point.Sequence}")}", "vmrepl attach GROUP --list shows what is.");
        string? kept = null;
        if (keep is not null)
        {
            if (meant is not [{ IsWritable: true } one]) throw new StoreException($"group {group}: {meant.Count} attachments are meant, and exactly one, a writable one, can be kept", "Name it with --at or --id (vmrepl attach GROUP --list shows them).");
            kept = Keep(one, keep, progress, cancellation);
        }

        foreach (var attachment in meant)
        {
            lock (gate)
            {
                if (!attachments.Remove(attachment.Id)) continue;
                leased.Remove(attachment.Id);
                Write();
            }

            attachment.Dispose();
            AttachmentLog.Detached(log, attachment.Group, attachment.Id, attachment.Point.Sequence, kept is null ? "nothing is kept" : $"kept in {kept}");
        }

        return (meant.Count, kept);
    }

    public void Dispose()
    {
        lock (gate)
        {
            foreach (var attachment in attachments.Values) attachment.Dispose();
            attachments.Clear();
        }
    }

    private Attachment Open(uint id, GroupStore group, RecoveryPoint point, bool writable)
    {
        var view = group.OpenView(point);
        try
        {
            return new Attachment(id, view, writable ? view.WithScratch(directory.Directory(ScratchName)) : null);
        }
        catch
        {
            view.Dispose();
            throw;
        }
    }

    /// <summary>Whole images: they stand for themselves, whatever becomes of the range.</summary>
    private string Keep(Attachment attachment, string name, Action<long, long>? progress, CancellationToken cancellation)
    {
        var groups = directory.Directory(KeptName);
        var names = groups.Directory(attachment.Group);
        groups.Create();
        names.Create();
        var target = names.Directory(name);
        if (target.Exists) throw new StoreException($"group {attachment.Group}: {name} is kept already", "Choose another name.");
        // From here on nobody writes: what is kept is one moment of all disks.
        attachment.Close();
        var total = attachment.Disks.Sum(d => d.Length);
        long before = 0;
        try
        {
            new VmRestore(attachment.Group, new AttachmentView(attachment), target.Path, ImageFormat.Qcow2).Run(
                (_, length) =>
                {
                    var start = before;
                    before += length;
                    return progress is null ? null : new Reporting(done => progress(total, start + done));
                }, time, cancellation);
        }
        catch (ReplicationException e)
        {
            throw new StoreException(e.Message, e.Hint);
        }

        names.Flush();
        groups.Flush();
        directory.Flush();
        return target.Path;
    }

    private void Resume(ReplicaStore store)
    {
        if (StoreJson.TryRead<AttachmentBook>(directory, AttachmentBook.Name) is not { } known) return;
        last = known.Last;
        foreach (var note in known.Attachments)
        {
            last = Math.Max(last, note.Id);
            if (note.IsWritable)
            {
                AttachmentLog.Lost(log, note.Group, note.Id, note.Sequence, "what was written to it is gone with the process that served it");
                continue;
            }

            try
            {
                var group = store.Get(note.Group);
                attachments.Add(note.Id, Open(note.Id, group, group.FindPoint(note.Sequence.ToString(CultureInfo.InvariantCulture)), writable: false));
            }
            catch (Exception e) when (e is StoreException or ArgumentException or IOException or ViewClosedException or Journal.JournalDamagedException)
            {
                AttachmentLog.Lost(log, note.Group, note.Id, note.Sequence, e.Message);
            }
        }

        if (known.Attachments.Count > 0) Write();
    }

    private void Write() => StoreJson.Write(directory, AttachmentBook.Name, new AttachmentBook(last, [.. attachments.Values.Where(a => !leased.Contains(a.Id)).Select(a => new AttachmentNote(a.Id, a.Group, a.Point.Sequence, a.IsWritable))]));

    private sealed class Reporting(Action<long> report) : IProgress<long>
    {
        public void Report(long value) => report(value);
    }
}
