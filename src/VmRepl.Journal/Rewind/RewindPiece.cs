using VmRepl.Blocks;
using VmRepl.Protocol.Records;

namespace VmRepl.Journal.Rewind;

/// <summary>A part of a disk that a rewind puts back, before it has contents and a place in the order.</summary>
/// <param name="Kind">Write, zero or punch.</param>
/// <param name="TouchedBytes">The bytes of it that something touched after the point; a punch may take in more, see <see cref="RewindPlan"/>.</param>
internal readonly record struct RewindPiece(RecordKind Kind, Extent Extent, long TouchedBytes);
