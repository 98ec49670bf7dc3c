using VmRepl.Blocks;
using VmRepl.Journal.Points;
using VmRepl.Journal.Store;
using VmRepl.Replication.Reading;

namespace VmRepl.Replication.Replica.Attachments;

/// <summary>An attachment with what was written to it, for whoever writes it out. It closes nothing.</summary>
internal sealed class AttachmentView(Attachment attachment) : IPastView
{
    public RecoveryPoint Point => attachment.Point;

    public IReadOnlyList<DiskDescription> Disks => attachment.Disks;

    public IReadOnlyDictionary<string, byte[]> Metadata => attachment.View.Metadata;

    public IBlockDevice Open(DiskDescription disk) => attachment.Layer(disk);

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
