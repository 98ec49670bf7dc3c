namespace VmRepl.Images;

/// <summary>What an overlay stands on.</summary>
/// <param name="Name">The backing file's path as it is to be found from the overlay's own directory. A relative one is written as it is (VHDX always gets one).</param>
/// <param name="Format">Its format; written into the overlay where the overlay's format can say it.</param>
public sealed record ImageBacking(string Name, ImageFormat Format);
